// The page: what a Client knows, made visible. All text from people goes into
// the page as text, never as markup.

import { Client, signIn, signUp } from "./client.js";

const $ = (id) => document.getElementById(id);
const TOKEN = "portico_chat_token";
const PAGE = 50;

let client = null;
let me = null; // {username, name, about}
let current = ""; // id of the open conversation
let listed = false; // the list was read
const convs = new Map(); // id -> conversation as the service tells it
const threads = new Map(); // id -> {messages, more, marks: Map(username -> {recv, read})}
const people = new Map(); // username -> {username, name, about}

function el(tag, props = {}, ...children) {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...children);
  return e;
}

// ---- signing in and out

function showDoor(message = "") {
  $("app").hidden = true;
  $("door").hidden = false;
  $("sign-error").textContent = message;
  $("sign").username.focus();
}

$("sign").addEventListener("submit", async (e) => {
  e.preventDefault();
  const { username, password, invite } = e.target.elements;
  const up = e.submitter?.value === "up";
  $("sign-error").textContent = "";
  try {
    const { token } = up
      ? await signUp("", username.value, password.value, { device: device(), invite: invite.value.trim() || undefined })
      : await signIn("", username.value, password.value, device());
    localStorage.setItem(TOKEN, token);
    e.target.reset();
    await enterApp(token);
  } catch (err) {
    $("sign-error").textContent = err.message;
    if (up && err.status === 403 && /invite/.test(err.message)) $("invite").hidden = false;
  }
});

function device() {
  const ua = navigator.userAgent;
  const browser = /Firefox|Edg|Chrome|Safari/.exec(ua)?.[0] ?? "Browser";
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(ua)?.[0] ?? "";
  return (browser === "Edg" ? "Edge" : browser) + (system && " on " + system);
}

$("out").addEventListener("click", async () => {
  client.stop();
  await client.delete("/v1/sessions/current").catch(() => {});
  leave();
});

function leave(message) {
  localStorage.removeItem(TOKEN);
  client?.stop();
  client = null;
  me = null;
  current = "";
  listed = false;
  convs.clear();
  threads.clear();
  people.clear();
  $("app").classList.remove("reading");
  showDoor(message);
}

async function enterApp(token) {
  const probe = new Client({ token });
  me = await probe.get("/v1/me");
  people.set(me.username, me);
  client = new Client({ token, outbox: localStorage, key: "portico_chat_outbox_" + me.username });
  client.on("event", onEvent);
  client.on("ready", onReady);
  client.on("state", showState);
  client.on("outbox", () => current && drawThread());
  client.on("stop", ({ code }) => leave(code === 4500 ? "You were signed out." : "The connection was refused."));
  $("door").hidden = true;
  $("app").hidden = false;
  $("me").textContent = me.name || me.username;
  drawList();
  drawThread();
  client.start();
}

function showState(state) {
  const texts = { connecting: "Connecting…", offline: "No connection. Messages are sent as soon as there is one." };
  $("state").textContent = texts[state] ?? "";
  $("state").hidden = !texts[state];
  document.body.dataset.state = state;
}

// ---- what the service says

async function onReady({ reset }) {
  const now = client;
  try {
    if (reset) await readAnew();
  } catch {
    if (now === client) setTimeout(() => now === client && onReady({ reset }), 2000);
  }
}

async function readAnew() {
  // Everything above the position of the connection is pushed meanwhile; what
  // comes twice is the same.
  const fresh = [];
  for (let next = ""; ;) {
    const page = await client.get(`/v1/conversations?limit=200&after=${encodeURIComponent(next)}`);
    fresh.push(...page.conversations);
    if (!(next = page.next)) break;
  }
  listed = true;
  convs.clear();
  for (const c of fresh) convs.set(c.id, c);
  threads.clear();
  await Promise.all(fresh.slice(0, 50).map((c) => person(peer(c))));
  drawList();
  if (convs.has(current)) await openConversation(current);
}

function onEvent(ev) {
  if (ev.type === "conversation") {
    convs.set(ev.conv, { ...convs.get(ev.conv), ...ev.conversation });
    person(peer(ev.conversation)).then(drawList);
  } else if (ev.type === "message") {
    onMessage(ev);
  } else if (ev.type === "mark") {
    onMark(ev);
  }
  drawList();
}

function onMessage(ev) {
  const c = convs.get(ev.conv);
  if (c && ev.seq > (c.last?.seq ?? 0)) {
    c.last = ev;
    c.last_seq = ev.seq;
    if (ev.from === me.username) Object.assign(c, { unread: 0, read: ev.seq, recv: ev.seq });
    else c.unread += 1;
  }
  const t = threads.get(ev.conv);
  if (t) {
    insert(t, ev);
    lift(t, ev.from, ev.seq, ev.seq); // who writes has read what is above
  }
  if (ev.from !== me.username && !(ev.conv === current && tellRead())) client.mark(ev.conv, { recv: ev.seq });
  if (ev.conv === current) drawThread();
}

function onMark(ev) {
  const t = threads.get(ev.conv);
  if (t) lift(t, ev.from, ev.recv, ev.read);
  const c = convs.get(ev.conv);
  if (c && ev.from === me.username) {
    c.read = Math.max(c.read, ev.read);
    if (c.read >= c.last_seq) c.unread = 0;
    else client.get("/v1/conversations/" + c.id).then((now) => { c.unread = now.unread; drawList(); }, () => {});
  }
  if (ev.conv === current) drawThread();
}

function lift(t, who, recv, read) {
  const m = t.marks.get(who) ?? { recv: 0, read: 0 };
  t.marks.set(who, { recv: Math.max(m.recv, recv), read: Math.max(m.read, read) });
}

function insert(t, msg) {
  let i = t.messages.length;
  while (i > 0 && t.messages[i - 1].seq > msg.seq) i--;
  if (t.messages[i - 1]?.seq === msg.seq) t.messages[i - 1] = msg;
  else t.messages.splice(i, 0, msg);
}

// tellRead says that the open conversation was read, if somebody looks at it.
function tellRead() {
  const c = convs.get(current);
  if (!c || document.hidden || $("open").hidden || c.read >= c.last_seq) return !document.hidden;
  c.read = c.recv = c.last_seq;
  c.unread = 0;
  client.mark(c.id, { recv: c.last_seq, read: c.last_seq });
  return true;
}

document.addEventListener("visibilitychange", () => {
  if (client && tellRead()) drawList();
});

// ---- people

const peer = (c) => c.members.find((m) => m !== me.username) ?? me.username;

async function person(username) {
  if (!people.has(username)) {
    people.set(username, { username, name: "", about: "" });
    const p = await client.get("/v1/users/" + encodeURIComponent(username)).catch(() => null);
    if (p) people.set(username, p);
  }
  return people.get(username);
}

function titleOf(c) {
  const who = peer(c);
  const name = people.get(who)?.name || who;
  return who === me.username ? name + " (notes to yourself)" : name;
}

// ---- the list

function drawList() {
  const all = [...convs.values()].sort((a, b) => (b.last?.at ?? "9").localeCompare(a.last?.at ?? "9"));
  $("empty").hidden = !listed || all.length > 0;
  $("list").replaceChildren(...all.map((c) => {
    const last = c.last;
    const b = el("button", { type: "button" },
      el("span", { className: "avatar", textContent: initial(titleOf(c)) }),
      el("span", { className: "name", textContent: titleOf(c) }),
      el("time", { textContent: last ? shortTime(last.at) : "" }),
      el("span", { className: "last", textContent: last ? (last.from === me.username ? "You: " : "") + last.text : "" }),
      c.unread > 0 ? el("span", { className: "badge", textContent: c.unread > 99 ? "99+" : c.unread }) : "");
    b.setAttribute("aria-current", c.id === current);
    b.addEventListener("click", () => openConversation(c.id));
    return el("li", {}, b);
  }));
  const unread = all.reduce((n, c) => n + (c.unread > 0), 0);
  document.title = (unread ? `(${unread}) ` : "") + "Chat";
}

const initial = (s) => [...s][0] ?? "?";

function shortTime(at) {
  const d = new Date(at);
  return d.toDateString() === new Date().toDateString() ? clock(at)
    : d.toLocaleDateString([], { day: "numeric", month: "short" });
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

$("start").addEventListener("submit", async (e) => {
  e.preventDefault();
  const field = e.target.elements.with;
  $("start-error").textContent = "";
  try {
    const c = await client.post("/v1/conversations", { kind: "direct", with: field.value.trim().replace(/^@/, "") });
    convs.set(c.id, { ...c, ...convs.get(c.id) });
    await person(peer(c));
    field.value = "";
    await openConversation(c.id);
  } catch (err) {
    $("start-error").textContent = err.message;
  }
});

let searching = 0;
$("start").elements.with.addEventListener("input", (e) => {
  clearTimeout(searching);
  $("start-error").textContent = "";
  const q = e.target.value.trim();
  searching = setTimeout(async () => {
    if (!q || !client) return;
    const { users } = await client.get("/v1/users?limit=8&q=" + encodeURIComponent(q)).catch(() => ({ users: [] }));
    $("found").replaceChildren(...users.map((u) => el("option", { value: u.username, label: u.name })));
  }, 200);
});

// ---- a conversation

async function openConversation(id) {
  current = id;
  $("app").classList.add("reading");
  if (!threads.has(id)) {
    const path = "/v1/conversations/" + id;
    const [page, members] = await Promise.all([
      client.get(`${path}/messages?limit=${PAGE}`), client.get(path + "/members"),
    ]);
    const t = { messages: [], more: page.more, marks: new Map() };
    for (const m of page.messages) insert(t, m);
    for (const m of members.members) lift(t, m.username, m.recv, m.read);
    threads.set(id, t);
  }
  tellRead();
  drawList();
  drawThread(true);
  if (matchMedia("(hover: hover)").matches) $("compose").text.focus();
}

$("back").addEventListener("click", () => {
  current = "";
  $("app").classList.remove("reading");
  drawList();
  drawThread();
});

function drawThread(toEnd = false) {
  const c = convs.get(current);
  const t = threads.get(current);
  $("none").hidden = Boolean(c && t);
  $("open").hidden = !(c && t);
  if (!c || !t) return;
  const who = people.get(peer(c));
  $("avatar").textContent = initial(titleOf(c));
  $("title").textContent = titleOf(c);
  $("about").textContent = who?.about || "@" + peer(c);
  const box = $("messages");
  const fromEnd = box.scrollHeight - box.scrollTop;
  const atEnd = toEnd || fromEnd - box.clientHeight < 60;
  const rows = [];
  let day = "";
  const known = new Set(t.messages.filter((m) => m.from === me.username).map((m) => m.cid));
  const waiting = client.outbox.filter((m) => m.conv === current && !known.has(m.cid));
  for (const m of [...t.messages, ...waiting]) {
    const d = new Date(m.at).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
    if (d !== day) rows.push(el("li", { className: "day", textContent: (day = d) }));
    rows.push(bubble(m, t));
  }
  box.replaceChildren(...rows);
  box.scrollTop = atEnd ? box.scrollHeight : box.scrollHeight - fromEnd;
}

function bubble(m, t) {
  const mine = m.seq === undefined || m.from === me.username;
  const foot = el("footer", {}, el("time", { textContent: m.error ? "not sent: " + m.error : clock(m.at), dateTime: m.at }));
  if (mine && !m.error) foot.append(tick(m, t));
  const li = el("li", { className: "msg" + (mine ? " mine" : "") + (m.error ? " failed" : "") }, el("p", {}, ...linked(m.text)), foot);
  if (m.seq !== undefined) li.dataset.seq = m.seq;
  if (m.error) li.addEventListener("click", () => client.discard(m.cid));
  return li;
}

// tick shows what happened to one's own message: waiting, stored, delivered to
// everybody, read by everybody.
function tick(m, t) {
  if (m.seq === undefined) return el("span", { className: "tick", textContent: "◷", title: "waiting" });
  const others = [...t.marks].filter(([name]) => name !== me.username).map(([, marks]) => marks);
  if (others.length && others.every((o) => o.read >= m.seq)) return el("span", { className: "tick read", textContent: "✓✓", title: "read" });
  if (others.length && others.every((o) => o.recv >= m.seq)) return el("span", { className: "tick", textContent: "✓✓", title: "delivered" });
  return el("span", { className: "tick", textContent: "✓", title: "sent" });
}

// linked makes web addresses clickable.
function linked(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(/https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]]/g)) {
    parts.push(text.slice(at, found.index), el("a", { href: found[0], textContent: found[0], target: "_blank", rel: "noopener noreferrer" }));
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

let loading = false;
$("messages").addEventListener("scroll", async (e) => {
  const t = threads.get(current);
  if (e.target.scrollTop > 80 || loading || !t?.more || !t.messages.length) return;
  loading = true;
  try {
    const page = await client.get(`/v1/conversations/${current}/messages?limit=${PAGE}&before=${t.messages[0].seq}`);
    t.more = page.more;
    for (const m of page.messages) insert(t, m);
    drawThread();
  } catch {
    // Tried again with the next scroll.
  } finally {
    loading = false;
  }
});

const field = $("compose").text;

$("compose").addEventListener("submit", (e) => {
  e.preventDefault();
  const text = field.value.trim();
  if (!text || !current) return;
  client.send(current, text).catch(() => {}); // shown at the message
  field.value = "";
  field.style.height = "";
  drawThread(true);
  field.focus();
});

field.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("compose").requestSubmit();
  }
});

field.addEventListener("input", () => {
  field.style.height = "";
  field.style.height = Math.min(field.scrollHeight + 2, 144) + "px";
});

// ---- one's own profile

$("me").addEventListener("click", () => {
  const form = $("profile").querySelector("form");
  form.elements.name.value = me.name;
  form.elements.about.value = me.about;
  $("profile-error").textContent = "";
  $("profile").showModal();
});

$("profile").querySelector("form").addEventListener("submit", async (e) => {
  if (e.submitter?.value !== "save") return;
  e.preventDefault();
  const { name, about } = e.target.elements;
  try {
    me = await client.patch("/v1/me", { name: name.value, about: about.value });
    people.set(me.username, me);
    $("me").textContent = me.name || me.username;
    $("profile").close();
    drawList();
    drawThread();
  } catch (err) {
    $("profile-error").textContent = err.message;
  }
});

// ---- begin

const token = localStorage.getItem(TOKEN);
if (token) {
  enterApp(token).catch((err) => {
    if (err.status === 401 || err.status === 403) leave();
    else showDoor("The server cannot be reached: " + err.message);
  });
} else {
  showDoor();
}
