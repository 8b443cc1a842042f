// masto.js against a service with a picture at argv[3]. It is not part of the
// tests, because the library is not packaged; docs/clients.md tells how to run it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createOAuthAPIClient, createRestAPIClient, createStreamingAPIClient } from "masto";

const [url, picture] = process.argv.slice(2);
const password = "correct horse";
const scopes = "read write follow push";
const redirectUri = "urn:ietf:wg:oauth:2.0:oob";
const anybody = createRestAPIClient({ url });
const oauth = createOAuthAPIClient({ url });
const app = await anybody.v1.apps.create({ clientName: "tests", redirectUris: redirectUri, scopes, website: "https://example.org" });
const named = { clientId: app.clientId, clientSecret: app.clientSecret };

const client = (accessToken) => createRestAPIClient({ url, accessToken });
const file = new File([await readFile(picture)], "picture.png", { type: "image/png" });

async function signUp(username) {
  const { accessToken } = await oauth.token.create({ ...named, grantType: "client_credentials", scope: scopes });
  await client(accessToken).v1.accounts.create({ username, password, email: username + "@example.org", agreement: true, locale: "en" });
  const token = await oauth.token.create({ ...named, grantType: "password", username, password, scope: scopes });
  return { token: token.accessToken, api: client(token.accessToken) };
}

// What a person does in a browser, with a proof key.
async function signInByPage(username) {
  const verifier = "v".repeat(43);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const q = new URLSearchParams({
    client_id: app.clientId, response_type: "code", redirect_uri: redirectUri, scope: "read",
    code_challenge: Buffer.from(hash).toString("base64url"), code_challenge_method: "S256",
  });
  const page = await fetch(`${url}/oauth/authorize?${q}`);
  const form = new URLSearchParams({ username, password, allow: "true" });
  for (const [, name, value] of (await page.text()).matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)) form.set(name, value);
  const cookie = page.headers.getSetCookie()[0].split(";")[0];
  const done = await fetch(`${url}/oauth/authorize`, { method: "POST", body: form, headers: { cookie } });
  const code = (await done.text()).match(/<code id="code">([^<]+)<\/code>/)[1];
  const token = await oauth.token.create({ ...named, grantType: "authorization_code", code, redirectUri, codeVerifier: verifier });
  assert.equal((await client(token.accessToken).v1.accounts.verifyCredentials()).username, username);
}

const fay = await signUp("fay"), gus = await signUp("gus");
await signInByPage("fay");

const v2 = await anybody.v2.instance.fetch();
assert.match(v2.version, /^4\.2\.0 \(compatible; portico/);
assert.match(v2.configuration.urls.streaming, /^ws:/);
assert.equal((await anybody.v1.instance.fetch()).uri, new URL(url).host);

const me = await fay.api.v1.accounts.updateCredentials({ displayName: "Fay", note: "hello", avatar: file, fieldsAttributes: [{ name: "a", value: "b" }] });
assert.deepEqual([me.displayName, me.fields[0].name, (await fetch(me.avatar)).status], ["Fay", "a", 200]);

const relation = await gus.api.v1.accounts.$select(me.id).follow({ notify: true });
assert.deepEqual([relation.following, relation.notifying], [true, true]);
assert.equal((await gus.api.v1.accounts.relationships.fetch({ id: [me.id] }))[0].following, true);

// Streaming by WebSocket, on the address that the instance names.
const streaming = createStreamingAPIClient({ streamingApiUrl: v2.configuration.urls.streaming, accessToken: gus.token, retry: false });
const heard = [];
const subscription = streaming.user.subscribe();
const listening = (async () => {
  for await (const event of subscription) {
    heard.push(event.event);
    if (heard.includes("update") && heard.includes("notification")) return;
  }
})();
await new Promise((done) => setTimeout(done, 500)); // the library does not say when it listens

const media = await fay.api.v2.media.create({ file, description: "a picture" });
const post = await fay.api.v1.statuses.create({ status: "Look #birds @gus", mediaIds: [media.id], visibility: "public" });
await listening;
subscription.unsubscribe();
streaming.close();

assert.equal((await gus.api.v1.timelines.home.list({ limit: 5 }))[0].id, post.id);
assert.equal((await gus.api.v1.statuses.$select(post.id).favourite()).favouritesCount, 1);
const answer = await gus.api.v1.statuses.create({ status: "Nice", inReplyToId: post.id });
assert.equal((await fay.api.v1.statuses.$select(post.id).context.fetch()).descendants[0].id, answer.id);
assert.deepEqual((await fay.api.v1.notifications.list()).map((n) => n.type).sort(), ["favourite", "follow", "mention"]);
assert.equal((await fay.api.v2.search.list({ q: "birds" })).hashtags[0].name, "birds");

const pages = [];
for (let i = 0; i < 5; i++) await gus.api.v1.statuses.create({ status: "page " + i, mediaIds: [(await gus.api.v2.media.create({ file })).id] });
for await (const page of anybody.v1.accounts.$select((await gus.api.v1.accounts.verifyCredentials()).id).statuses.list({ limit: 2, onlyMedia: true })) pages.push(page.length);
assert.equal(pages.reduce((a, b) => a + b), 5);

const list = await gus.api.v1.lists.create({ title: "friends" });
await gus.api.v1.lists.$select(list.id).accounts.create({ accountIds: [me.id] });
assert.equal((await gus.api.v1.lists.$select(list.id).accounts.list())[0].username, "fay");
const filter = await gus.api.v2.filters.create({ title: "cats", context: ["home"], keywordsAttributes: [{ keyword: "cat", wholeWord: true }] });
assert.equal(filter.keywords[0].keyword, "cat");
await gus.api.v2.filters.$select(filter.id).remove();
await gus.api.v1.markers.create({ home: { lastReadId: post.id } });
assert.equal((await gus.api.v1.markers.fetch({ timeline: ["home"] })).home.lastReadId, post.id);
assert.equal((await gus.api.v1.preferences.fetch())["posting:default:visibility"], "public");
await assert.rejects(gus.api.v1.statuses.$select(post.id).remove());
await fay.api.v1.statuses.$select(post.id).remove();
await assert.rejects(gus.api.v1.statuses.$select(post.id).fetch());
await oauth.revoke({ ...named, token: gus.token });
await assert.rejects(gus.api.v1.accounts.verifyCredentials());
console.log("all as expected");
