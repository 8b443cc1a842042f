// What the page knows: conversations, messages, people. It shows nothing; who
// does is told by onChange.

export const model = {
  client: null,
  me: null, // {username, name, about, ...}
  current: "", // id of the open conversation
  listed: false, // the conversations were read
  state: "offline", // of the connection
  convs: new Map(), // id -> conversation as the service tells it
  threads: new Map(), // id -> Thread, of those that were opened
  marks: new Map(), // id -> Map(username -> {recv, read, role}), of those whose ticks are shown
  people: new Map(), // username -> {username, name, about, ...}
  presence: new Map(), // username -> {online, last_seen}
  typing: new Map(), // conversation -> Map(username -> timer)
  blocked: new Set(),
};

const watchers = new Set();
let pending = false;

export const onChange = (fn) => watchers.add(fn);

/** Has everything drawn again, once for all changes of a moment. */
export function changed() {
  if (pending) return;
  pending = true;
  queueMicrotask(() => {
    pending = false;
    for (const fn of watchers) fn();
  });
}

const ends = new Set();

/** Has fn run when one signs out: nothing may be left for who comes next. */
export const onForget = (fn) => ends.add(fn);

export function forgetAll() {
  for (const fn of ends) fn();
  Object.assign(model, { client: null, me: null, current: "", listed: false });
  for (const map of [model.convs, model.threads, model.marks, model.people, model.presence, model.typing, model.blocked]) map.clear();
  asked.clear();
  unmet.length = 0;
}

/** The server's time. */
export const now = () => model.client?.now() ?? new Date();

// ---- people

const AT_ONCE = 3; // people that are asked for together: other calls have to get through
const STALE = 60_000; // milliseconds after which somebody may have another name or picture
const asked = new Set(); // in unmet or on their way
const unmet = [];
let meeting = 0;

/** Learns the names of people that are not known yet. */
export function meet(usernames) {
  for (const u of usernames) if (u && !model.people.has(u)) ask(u);
}

/** Learns what may have changed: name and picture, whose address expires too. */
export function meetAgain(usernames) {
  for (const u of usernames) if (u && !(Date.now() - model.people.get(u)?.at < STALE)) ask(u);
}

function ask(u) {
  if (asked.has(u)) return;
  asked.add(u);
  unmet.push(u);
  nextMeeting();
}

function nextMeeting() {
  if (meeting >= AT_ONCE || unmet.length === 0) return;
  const u = unmet.shift();
  const { client } = model;
  const know = (p) => {
    if (client !== model.client) return;
    const { at, ...was } = model.people.get(u) ?? {};
    model.people.set(u, { ...p, at: Date.now() });
    if (JSON.stringify(was) !== JSON.stringify(p)) changed();
  };
  meeting++;
  client.get("/v1/users/" + encodeURIComponent(u))
    .then(know, (err) => { if (err.status === 404) know({ username: u, name: "", about: "" }); }) // an account that is gone
    .finally(() => { meeting--; asked.delete(u); nextMeeting(); });
}

export const nameOf = (username) => (username === model.me.username ? "You" : model.people.get(username)?.name || username);

// ---- conversations

export const peerOf = (c) => (c.kind === "direct" ? c.members.find((m) => m !== model.me.username) ?? model.me.username : "");
export const isNotes = (c) => c.kind === "direct" && peerOf(c) === model.me.username;
export const isMuted = (c) => Boolean(c.muted_until) && new Date(c.muted_until) > now();
export const isAdmin = (c) => c.role === "owner" || c.role === "admin";

export function titleOf(c) {
  if (c.kind !== "direct") return c.title || "Group";
  const who = peerOf(c);
  const name = model.people.get(who)?.name || who;
  return isNotes(c) ? name + " (you)" : name;
}

/** Conversations, pinned ones and then the newest first. */
export const inOrder = () => [...model.convs.values()].sort((a, b) =>
  Number(Boolean(b.pinned)) - Number(Boolean(a.pinned)) || when(b).localeCompare(when(a)));

const when = (c) => c.last?.at ?? c.since ?? "";

/**
 * Takes a conversation as the service tells it: whole, or only what is the same
 * for all members (then it has no role), in which case the rest stays.
 */
export function learn(c) {
  const known = model.convs.get(c.id);
  const whole = "role" in c;
  if (!whole && !known) return refresh(c.id);
  const kept = whole ? { since: known?.since } : known;
  const now = { ...kept, ...c };
  now.since ??= new Date().toISOString();
  if (!whole) now.last_seq = known.last_seq; // counted by the events
  model.convs.set(c.id, now);
  if (c.kind === "direct") meet([peerOf(now)]);
  meet([now.last?.from]);
  changed();
  return now;
}

/** Reads one conversation anew: where counting here would only guess. */
export async function refresh(id) {
  try {
    learn(await model.client.get("/v1/conversations/" + id));
  } catch (err) {
    if (err.status === 404) forget(id);
  }
}

export function forget(id) {
  model.convs.delete(id);
  model.threads.delete(id);
  model.marks.delete(id);
  changed();
}

/** How many conversations wait to be read. */
export const waiting = () => [...model.convs.values()].filter((c) => (c.unread > 0 || c.marked_unread) && !c.archived && !isMuted(c)).length;

/** Who types in a conversation, as text; "" where nobody does. */
export function typists(c) {
  const who = [...(model.typing.get(c.id)?.keys() ?? [])];
  if (who.length === 0) return "";
  if (c.kind === "direct") return "typing…";
  return who.length > 2 ? `${who.length} people are typing…` : who.map(nameOf).join(" and ") + (who.length > 1 ? " are typing…" : " is typing…");
}
