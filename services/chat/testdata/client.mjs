// What page_client_test.go runs: two clients in Node.js, a restart of the server
// between, and a new process in the place of one of them. It says on stdout how
// far it is, and ends with 1 where something is wrong.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { Client, ChatError, signIn, signUp } from "../page/client.js";

const [base, file] = process.argv.slice(2);
setTimeout(() => { throw new Error("took too long"); }, 50_000).unref();

// A Storage in a file.
const storage = {
  read() { try { return JSON.parse(readFileSync(file, "utf8")); } catch { return {}; } },
  getItem(key) { return this.read()[key] ?? null; },
  setItem(key, value) { writeFileSync(file, JSON.stringify({ ...this.read(), [key]: value })); },
};

const when = (client, name, wanted = () => true) => new Promise((resolve) => {
  const off = client.on(name, (value) => { if (wanted(value)) { off(); resolve(value); } });
});

const alice = await signUp(base, "alice", "correct horse", { name: "Alice" });
await signUp(base, "bob", "battery staple");
const bob = await signIn(base, "bob", "battery staple", "a test");
assert.equal(bob.user.username, "bob");
await assert.rejects(signIn(base, "bob", "not that one"), (err) => err instanceof ChatError && err.status === 401);

const to = new Client({ base, token: bob.token });
const seen = [];
to.on("event", (ev) => ev.type === "message" && seen.push(ev));
const first = when(to, "ready");
to.start();
assert.deepEqual(await first, { reset: true }, "who has no position reads everything");

let from = new Client({ base, token: alice.token, outbox: storage });
from.start();
await when(from, "ready");
const conv = await from.post("/v1/conversations", { kind: "direct", with: "bob" });
const got = when(to, "event", (ev) => ev.type === "message");
const ack = await from.send(conv.id, "hello <b>");
assert.equal((await got).text, "hello <b>");
assert.equal(ack.seq, 1);
const marked = when(from, "event", (ev) => ev.type === "mark" && ev.from === "bob" && ev.read === 1);
to.mark(conv.id, { recv: 1, read: 1 });
await marked;
const { history } = await to.command({ history: { conv: conv.id, limit: 10 } });
assert.equal(history.messages.length, 1);
await assert.rejects(from.send(conv.id, "x".repeat(from.limits.text + 1)), { code: "too_large" }, "a refusal comes back");
assert.equal(from.outbox.length, 1, "and what was refused is kept");
from.discard(from.outbox[0].cid);

console.log("connected");
await when(from, "state", (s) => s === "offline");
from.send(conv.id, "from the outbox");
from.stop();
let err;
do err = await from.get("/v1/me").then(() => null, (e) => e); while (err === null || err.code === "unavailable"); // until the last door is closed
assert.equal(err.code, "offline");
from = new Client({ base, token: alice.token, outbox: storage, position: from.position }); // another process
assert.equal(from.outbox.length, 1, "the outbox outlives the client");
from.start();
console.log("down");

const back = when(from, "ready");
const end = when(to, "event", (ev) => ev.text === "the end");
assert.deepEqual(await back, { reset: false }, "it resumes");
await from.send(conv.id, "the end");
await end;
assert.deepEqual(seen.map((ev) => ev.text), ["hello <b>", "from the outbox", "the end"], "each once, in order");
assert.equal(from.outbox.length, 0);

const stopped = when(to, "stop");
const [session] = (await to.get("/v1/sessions")).sessions.filter((s) => s.current);
await to.delete("/v1/sessions/" + session.id);
assert.equal((await stopped).code, 4500, "a client whose token was revoked stays away");
from.stop();
console.log("done");
process.exit(0);
