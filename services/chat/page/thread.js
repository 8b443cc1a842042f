// The open conversation: its head, its messages, and how far one has read.

import { $, el, reconcile, keepClicks } from "./dom.js";
import { model, changed, onForget, titleOf, peerOf, isNotes, nameOf, typists, meet, meetAgain } from "./model.js";
import { Thread, PAGE } from "./history.js";
import { watchPresence } from "./events.js";
import { membersOf } from "./marks.js";
import { convAvatar, avatarMark } from "./avatar.js";
import { day, moment, plural } from "./text.js";
import { bubble, notice, isMine } from "./bubble.js";
import { messageMenu, react } from "./actions.js";
import { drawCompose, openCompose } from "./compose.js";

const box = $("messages");
const NEAR = 300; // pixels from an end at which more is read
const END = 60; // pixels from the end that count as the end
const CLUES = 5; // names in the head of a group
let shown = ""; // the conversation in the box
let unread = null; // where the line "unread" stands: {after: seq} or, once it was drawn, {at: seq}
let landing = false; // the line "unread" is to be shown first
let following = true; // the end is kept in sight

/** Opens a conversation: at a message if seq is given, else where one has read to. */
export async function openThread(id, seq) {
  const fresh = model.current !== id;
  model.current = id;
  $("app").classList.add("reading");
  const c = model.convs.get(id);
  let t = model.threads.get(id);
  if (!t) model.threads.set(id, t = new Thread(id));
  if (c?.marked_unread) {
    c.marked_unread = false;
    model.client.put(`/v1/conversations/${id}/settings`, { unread: false }).catch(() => {}); // told again the next time
  }
  if (fresh) {
    unread = c?.unread > 0 ? { after: c.read } : null;
    landing = Boolean(unread) && !seq;
    following = true;
    openCompose(id);
    if (c?.kind === "direct") meetAgain([peerOf(c)]);
    if (c?.created_by) meet([c.created_by]);
  }
  changed();
  await t.open(...pageFor(c, t, seq));
  if (model.current !== id) return;
  if (seq) jump(seq);
  tellRead();
  watchPresence();
}

// What to read so that seq, else the first unread message, is there: the
// arguments of Thread.open.
function pageFor(c, t, seq) {
  if (seq) return t.loaded && t.find(seq) ? [null] : [seq];
  const from = (c?.read ?? 0) + 1;
  if (t.loaded && !t.newer && !(landing && t.older && t.first?.seq > from)) return [null];
  return c?.unread > PAGE / 2 ? [from] : [];
}

export function closeThread() {
  model.current = shown = "";
  $("app").classList.remove("reading");
  changed();
}

onForget(() => { unread = null; });

export function drawThread() {
  const c = model.convs.get(model.current);
  const t = model.threads.get(model.current);
  $("none").hidden = Boolean(c && t);
  $("open").hidden = !(c && t);
  if (!c || !t) return;
  drawHead(c);
  drawCompose(c);
  $("thread-problem").hidden = !t.problem;
  $("thread-problem").querySelector("span").textContent = t.problem;
  $("loading").hidden = t.loaded || Boolean(t.problem);
  if (following && !landing) t.trim();
  if (!unread && c.unread > 0 && (!following || document.hidden)) unread = { after: c.read };
  const anchor = shown === c.id && !following ? firstVisible() : null;
  shown = c.id;
  reconcile(box, rows(c, t));
  if (landing && t.loaded) land(t);
  else if (following && !t.newer) box.scrollTop = box.scrollHeight;
  else if (anchor?.e.isConnected) box.scrollTop += anchor.e.getBoundingClientRect().top - anchor.top;
  drawDown(c);
  if (t.loaded && !t.problem) readMore(t);
}

// Shows what is unread from its first line on.
function land(t) {
  landing = false;
  const line = box.querySelector(".unread");
  box.scrollTop = box.scrollHeight;
  if (line) box.scrollTop += Math.min(0, line.getBoundingClientRect().top - box.getBoundingClientRect().top - END);
  following = distance() < END && !t.newer;
}

function drawHead(c) {
  const mark = JSON.stringify([c.id, titleOf(c), avatarMark(c)]);
  const holder = $("avatar");
  if (holder.dataset.mark !== mark) {
    holder.replaceChildren(convAvatar(c));
    holder.dataset.mark = mark;
    $("title").textContent = titleOf(c);
  }
  const text = about(c);
  if ($("about").textContent !== text) $("about").textContent = text;
  $("about").classList.toggle("typing", Boolean(typists(c)));
}

function about(c) {
  const typing = typists(c);
  if (typing) return typing;
  if (isNotes(c)) return "Notes to yourself";
  if (c.kind === "direct") {
    if (model.blocked.has(peerOf(c))) return "Blocked";
    const p = model.presence.get(peerOf(c));
    if (p?.online) return "online";
    return p?.last_seen ? "last seen " + moment(p.last_seen) : "@" + peerOf(c);
  }
  if (c.left) return "You are no longer in this group";
  const others = c.members.filter((m) => m !== model.me.username);
  const online = others.filter((m) => model.presence.get(m)?.online).length;
  const names = others.length > 0 && others.length <= CLUES ? [...others.map(nameOf), "You"].join(", ") : plural(c.members_count, "member");
  return names + (online ? ` · ${online} online` : "");
}

function rows(c, t) {
  const list = [];
  let last = "", before = null;
  const sent = new Set(t.items.filter((m) => m.from === model.me.username).map((m) => m.cid));
  const waiting = t.newer || !t.loaded ? [] : model.client.outbox.filter((m) => m.conv === c.id && !sent.has(m.cid));
  if (t.loaded && !t.older && t.items.length === 0 && waiting.length === 0 && c.kind === "direct") list.push({ key: "hello", mark: c.id, make: () => hello(c) });
  if (t.loaded && !t.older && c.created_by && c.kind === "group") list.push({ key: "made", mark: nameOf(c.created_by), make: () => made(c) });
  const names = new Set(c.kind === "group" ? membersOf(c.id) : []);
  const context = { c, t, names, act: (...a) => messageMenu(c, t, ...a), jump, react };
  for (const m of [...t.items, ...waiting]) {
    const d = day(m.at);
    if (d !== last) {
      list.push({ key: "day " + d, mark: d, make: () => el("li", { className: "day" }, el("span", { textContent: d })) });
      last = d;
      before = null;
    }
    if (unread && !m.notice && (m.seq === unread.at || m.seq > unread.after && !isMine(m) && !m.deleted)) {
      unread = { at: m.seq };
      list.push({ key: "unread", mark: "", make: () => el("li", { className: "unread", textContent: "Unread messages" }) });
      before = null;
    }
    if (m.notice) {
      list.push(notice(m));
      before = null;
      continue;
    }
    const from = m.from ?? model.me.username;
    list.push(bubble(m, { ...context, first: before !== from }));
    before = from;
  }
  return list;
}

const made = (c) => el("li", { className: "notice", textContent: `${nameOf(c.created_by)} made this group, ${moment(c.created_at)}` });

function hello(c) {
  const text = isNotes(c) ? "Only you see what you write here." : `Say hello to ${nameOf(peerOf(c))}.`;
  return el("li", { className: "hello" }, el("span", { textContent: text }));
}

keepClicks(box);

// ---- scrolling

const distance = () => box.scrollHeight - box.scrollTop - box.clientHeight;

// The first message in sight. The day is none: it sticks to the top.
function firstVisible() {
  const top = box.getBoundingClientRect().top;
  for (const e of box.querySelectorAll(".msg")) {
    const r = e.getBoundingClientRect();
    if (r.bottom > top) return { e, top: r.top };
  }
  return null;
}

// seq of the last message that can be seen as a whole.
function lastSeen() {
  const end = box.getBoundingClientRect().bottom + 1;
  for (let e = box.lastElementChild; e; e = e.previousElementSibling) {
    if (e.dataset.seq && e.getBoundingClientRect().bottom <= end) return Number(e.dataset.seq);
  }
  return 0;
}

// Not only scrolling needs more: what was read may not fill the box.
function readMore(t) {
  if (box.scrollTop < NEAR) t.loadOlder();
  if (distance() < NEAR) t.loadNewer();
}

let telling = 0; // timer: one scrolls past many
box.addEventListener("scroll", () => {
  const t = model.threads.get(model.current);
  if (!t || shown !== model.current) return;
  following = distance() < END && !t.newer;
  readMore(t);
  telling ||= setTimeout(() => { telling = 0; tellRead(); }, following ? 0 : 400);
  drawDown(model.convs.get(model.current));
}, { passive: true });

/** Says how far the open conversation was read, if somebody looks at it. */
export function tellRead() {
  const c = model.convs.get(model.current);
  const t = model.threads.get(model.current);
  if (!c || !t?.loaded || landing || shown !== c.id || document.hidden) return;
  const end = following && !t.newer;
  const seq = end ? c.last_seq : lastSeen();
  if (seq <= c.read && !(end && c.unread)) return;
  const passed = t.items.filter((m) => m.seq > c.read && m.seq <= seq && !isMine(m) && !m.deleted && !m.notice).length;
  c.unread = end ? 0 : Math.max(0, c.unread - passed);
  c.read = Math.max(c.read, seq);
  c.recv = Math.max(c.recv, c.last_seq);
  model.client.mark(c.id, { recv: c.recv, read: c.read });
  changed();
}

// Pictures arrive, the keyboard of a phone opens: who is at the end stays there.
const stay = () => { if (following && !landing) box.scrollTop = box.scrollHeight; };
new ResizeObserver(stay).observe(box);
for (const name of ["load", "loadedmetadata"]) box.addEventListener(name, stay, true);

/** Shows the end and keeps it in sight: one has written something. */
export function follow() {
  const t = model.threads.get(model.current);
  following = true;
  unread = null;
  if (t?.newer) t.open().then(tellRead);
  changed();
}

function drawDown(c) {
  const t = model.threads.get(c?.id);
  const far = !following && (distance() > 200 || t?.newer);
  $("down").hidden = !far && !(c?.unread > 0 && !following);
  $("down-count").textContent = c?.unread > 0 ? (c.unread > 99 ? "99+" : c.unread) : "";
  $("down").setAttribute("aria-label", c?.unread > 0 ? `To the newest message, ${c.unread} unread` : "To the newest message");
}

$("down").addEventListener("click", () => {
  if (model.threads.get(model.current)?.newer) follow();
  else box.scrollTo({ top: box.scrollHeight, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" });
  if (!matchMedia("(pointer: coarse)").matches) $("compose").elements.text.focus();
});

export async function jump(seq) {
  const t = model.threads.get(model.current);
  if (!t) return;
  if (!t.find(seq)) await t.open(seq);
  if (!t.find(seq)) return;
  following = landing = false;
  t.flash = seq;
  changed();
  await Promise.resolve(); // drawn
  await Promise.resolve();
  const li = box.querySelector(`[data-seq="${seq}"]`);
  li?.scrollIntoView({ block: "center" });
  following = distance() < END && !t.newer; // where all fits nothing scrolls
  li?.focus({ preventScroll: true });
  setTimeout(() => { if (t.flash === seq) { t.flash = 0; changed(); } }, 1500);
}

$("thread-problem").querySelector("button").addEventListener("click", () => model.threads.get(model.current)?.retry());
