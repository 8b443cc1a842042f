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

export function forgetAll() {
  Object.assign(model, { client: null, me: null, current: "", listed: false });
  for (const map of [model.convs, model.threads, model.people, model.presence, model.typing, model.blocked]) map.clear();
}

// ---- people

const asked = new Set();

/** Learns the names of people that are not known yet. */
export function meet(usernames) {
  for (const u of usernames) {
    if (!u || model.people.has(u) || asked.has(u)) continue;
    asked.add(u);
    const { client } = model;
    client.get("/v1/users/" + encodeURIComponent(u))
      .then((p) => { model.people.set(u, p); changed(); }, (err) => {
        if (err.status === 404) model.people.set(u, { username: u, name: "", about: "" }); // an account that is gone
      })
      .finally(() => asked.delete(u));
  }
}

export const nameOf = (username) => (username === model.me.username ? "You" : model.people.get(username)?.name || username);

// ---- conversations

export const peerOf = (c) => (c.kind === "direct" ? c.members.find((m) => m !== model.me.username) ?? model.me.username : "");
export const isNotes = (c) => c.kind === "direct" && peerOf(c) === model.me.username;
export const isMuted = (c) => Boolean(c.muted_until) && new Date(c.muted_until) > new Date();
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
