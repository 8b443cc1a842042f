// How far the members of a conversation have received and read it: what the
// ticks at one's own messages come from. Events keep it; it is read where a
// message shows a tick, also in the list of chats.

import { model, changed, meet } from "./model.js";

const PAGE = 200; // members; the marks of more are not told
const AT_ONCE = 2; // conversations that are read together

const none = new Map();
const queue = [];
let running = 0;

/** username -> {recv, read, role}; empty until it was read. */
export const marksOf = (id) => model.marks.get(id) ?? none;

/** Reads the marks of a conversation and puts them beside what events said meanwhile. */
export async function readMarks(id) {
  const { client } = model;
  const { members } = await client.get(`/v1/conversations/${id}/members?limit=${PAGE}`);
  if (client !== model.client) return;
  const was = marksOf(id);
  model.marks.set(id, new Map(members.map(({ username, recv, read, role }) => {
    const m = was.get(username);
    return [username, { recv: Math.max(recv, m?.recv ?? 0), read: Math.max(read, m?.read ?? 0), role }];
  })));
  changed();
}

/** Has the marks of a conversation read soon, where nobody did. */
export function wantMarks(id) {
  if (model.marks.has(id) || queue.includes(id)) return;
  queue.push(id);
  next();
}

function next() {
  if (running >= AT_ONCE || queue.length === 0) return;
  const id = queue.shift();
  running++;
  (model.marks.has(id) ? Promise.resolve() : readMarks(id).catch(() => {})).finally(() => { running--; next(); });
}

/** Events say more: marks only grow. */
export function lift(id, who, { recv = 0, read = 0, role } = {}) {
  const all = model.marks.get(id);
  if (!all) return;
  const m = all.get(who);
  all.set(who, { recv: Math.max(m?.recv ?? 0, recv), read: Math.max(m?.read ?? 0, read), role: role ?? m?.role });
}

export const dropMarks = (id, who) => model.marks.get(id)?.delete(who);

/** The names of the members, as far as they are known. */
export function membersOf(id) {
  const names = [...marksOf(id).keys()];
  meet(names);
  return names;
}
