// What the service pushes, applied to what the page knows.

import { model, changed, learn, refresh, forget, meet, inOrder } from "./model.js";
import { lift, dropMarks } from "./marks.js";
import { mentions } from "./text.js";

const TYPING = 6000; // how long somebody types without saying so again
const RETRY = 2000;

let reading = null; // events that come while the conversations are read
let behind = true; // they have to be read: again, where that failed

/** Connects the model with a client. arrived is told of each new message of others. */
export function follow(client, arrived) {
  reading = null;
  behind = true;
  const mine = (fn) => (...args) => client === model.client && fn(...args);
  client.on("event", mine((ev) => {
    reading?.push(ev);
    apply(ev, arrived);
    changed();
  }));
  client.on("ready", mine(({ reset }) => ready(client, reset)));
  client.on("outbox", mine(changed));
  client.on("state", mine((state) => {
    model.state = state;
    if (state !== "online") {
      model.typing.clear();
      model.presence.clear(); // nobody tells us now; it is told anew
    }
    changed();
  }));
}

async function ready(client, reset) {
  behind ||= reset;
  try {
    if (behind) await readAnew(client);
    behind = false;
    watchPresence();
    const open = model.threads.get(model.current);
    if (open?.problem) open.open();
  } catch {
    setTimeout(() => client === model.client && client.state === "online" && ready(client, reset), RETRY);
  }
}

/** Reads all conversations. What is pushed meanwhile is applied once more after that. */
async function readAnew(client) {
  reading = [];
  const fresh = [];
  for (let next = ""; ;) {
    const page = await client.get(`/v1/conversations?limit=200&after=${encodeURIComponent(next)}`);
    fresh.push(...page.conversations);
    if (!(next = page.next)) break;
  }
  if (client !== model.client) return;
  const [me, blocked] = await Promise.all([client.get("/v1/me"), readBlocked(client)]);
  model.me = me;
  model.people.set(me.username, me);
  model.blocked = new Set(blocked);
  model.convs.clear();
  model.marks.clear();
  let since = new Date().toISOString(); // those without messages keep their place among the others
  for (const c of fresh) {
    learn({ ...c, since: (since = c.last?.at ?? since) });
    if (c.recv < c.last_seq && !c.left) client.mark(c.id, { recv: c.last_seq }); // the list shows that it is there
  }
  model.listed = true;
  const open = model.threads.get(model.current);
  model.threads.clear();
  if (open && model.convs.has(open.id)) {
    model.threads.set(open.id, open);
    await open.open();
  }
  const missed = reading;
  reading = null;
  for (const ev of missed) apply(ev, () => {});
  changed();
}

async function readBlocked(client) {
  const names = [];
  for (let next = ""; ;) {
    const page = await client.get(`/v1/blocks?limit=200&after=${encodeURIComponent(next)}`);
    names.push(...page.users.map((u) => u.username));
    if (!(next = page.next)) return names;
  }
}

function apply(ev, arrived) {
  switch (ev.type) {
    case "conversation":
      if (ev.conversation.gone) forget(ev.conv);
      else learn(ev.conversation);
      watchLater();
      if (!ev.action) return; // not in the history
      meet([ev.from]);
      seen(ev);
      break;
    case "message":
      onMessage(ev, arrived);
      break;
    case "edit": case "delete": case "reaction":
      onChange(ev);
      break;
    case "member":
      onMember(ev);
      break;
    case "mark":
      onMark(ev);
      break;
    case "typing":
      onTyping(ev);
      return;
    case "presence":
      model.presence.set(ev.user, { online: ev.online, last_seen: ev.last_seen });
      return;
  }
  model.threads.get(ev.conv)?.apply(ev);
}

// seen counts what is in the history but no message.
function seen(ev) {
  const c = model.convs.get(ev.conv);
  if (c) c.last_seq = Math.max(c.last_seq, ev.seq);
}

function onMessage(ev, arrived) {
  meet([ev.from]);
  stopTyping(ev.conv, ev.from);
  lift(ev.conv, ev.from, { recv: ev.seq, read: ev.seq }); // who writes has read what is above
  const c = model.convs.get(ev.conv);
  if (!c) refresh(ev.conv);
  if (!c || ev.seq <= c.last_seq) return;
  c.last = ev;
  c.last_seq = ev.seq;
  if (ev.from === model.me.username) {
    Object.assign(c, { unread: 0, read: ev.seq, recv: ev.seq });
    return;
  }
  if (!ev.deleted) c.unread += 1;
  arrived(c, ev, mentions(ev.text, model.me.username)); // which may read it
  if (c.recv >= ev.seq) return;
  c.recv = ev.seq;
  model.client.mark(ev.conv, { recv: ev.seq });
}

function onChange(ev) {
  const c = model.convs.get(ev.conv);
  if (!c) return;
  if (ev.for === "me") {
    if (ev.target >= (c.last?.seq ?? 0) || ev.target > c.read) refresh(ev.conv);
    return;
  }
  const news = ev.seq > c.last_seq;
  c.last_seq = Math.max(c.last_seq, ev.seq);
  if (c.last?.seq === ev.target) {
    if (ev.type === "edit" && !ev.deleted) c.last = { ...c.last, text: ev.text };
    if (ev.type === "delete") c.last = { ...c.last, text: "", attachments: undefined, deleted: true };
  }
  if (news && ev.type === "delete" && ev.target > c.read && c.unread > 0) refresh(ev.conv);
}

function onMember(ev) {
  meet([ev.user, ev.from]);
  watchLater();
  if (ev.action === "added" || ev.action === "role") lift(ev.conv, ev.user, { role: ev.role });
  else dropMarks(ev.conv, ev.user);
  const c = model.convs.get(ev.conv);
  if (!c || ev.seq <= c.last_seq) return;
  c.last_seq = ev.seq;
  const self = ev.user === model.me.username;
  const gone = ev.action === "left" || ev.action === "removed";
  if (self && ev.role) c.role = ev.role;
  if (self && gone) c.left = true;
  if (gone) {
    c.members = c.members.filter((m) => m !== ev.user);
    c.members_count -= 1;
  } else if (ev.action === "added" && !c.members.includes(ev.user)) {
    c.members = [...c.members, ev.user];
    c.members_count += 1;
    if (self) c.left = false;
  }
}

function onMark(ev) {
  lift(ev.conv, ev.from, ev);
  const c = model.convs.get(ev.conv);
  if (!c || ev.from !== model.me.username) return;
  if (ev.read <= c.read) return;
  c.read = ev.read;
  if (c.read >= c.last_seq) c.unread = 0;
  else refresh(c.id);
}

function onTyping({ conv, from, on }) {
  stopTyping(conv, from);
  if (!on || from === model.me.username) return;
  if (!model.typing.has(conv)) model.typing.set(conv, new Map());
  model.typing.get(conv).set(from, setTimeout(() => { stopTyping(conv, from); changed(); }, TYPING));
}

function stopTyping(conv, from) {
  const who = model.typing.get(conv);
  clearTimeout(who?.get(from));
  who?.delete(from);
}

const WATCHED = 100; // the service takes no more

let watching = 0; // timer: many come at once
function watchLater() {
  clearTimeout(watching);
  watching = setTimeout(() => model.client && watchPresence(), 300);
}

/** Asks for the presence of the people in the newest conversations and in the open one. */
export function watchPresence() {
  const open = model.convs.get(model.current);
  const convs = [open, ...inOrder().filter((c) => c.kind === "direct")].filter(Boolean);
  const users = [...new Set(convs.flatMap((c) => c.members))].filter((u) => u !== model.me.username).slice(0, WATCHED);
  if (users.length === 0) return;
  model.client.watch(users);
}
