// The open conversation: its head, its messages, and where one has scrolled to.

import { $, el, reconcile } from "./dom.js";
import { model, changed, titleOf, peerOf, isNotes, nameOf, typists } from "./model.js";
import { Thread } from "./history.js";
import { tellRead, watchPresence } from "./events.js";
import { convAvatar, avatarMark } from "./avatar.js";
import { day, moment, plural } from "./text.js";
import { bubble, notice, isMine } from "./bubble.js";
import { messageMenu, react } from "./actions.js";
import { drawCompose, openCompose } from "./compose.js";

const box = $("messages");
const NEAR = 300; // pixels from an end at which more is read
let shown = ""; // the conversation in the box
let unread = null; // where the line "unread" stands: {after: seq} or, once it was drawn, {at: seq}
let following = true; // the end is kept in sight

/** Opens a conversation, at a message if seq is given. */
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
    following = true;
    openCompose(id);
  }
  changed();
  if (!t.loaded || seq && !t.find(seq)) await t.open(seq);
  else if (!seq && t.newer) await t.open();
  if (model.current !== id) return;
  if (seq) jump(seq);
  tellRead();
  watchPresence();
}

export function closeThread() {
  model.current = shown = "";
  $("app").classList.remove("reading");
  changed();
}

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
  const anchor = shown === c.id && !following ? firstVisible() : null;
  if (shown !== c.id) following = true;
  shown = c.id;
  reconcile(box, rows(c, t));
  if (following && !t.newer) box.scrollTop = box.scrollHeight;
  else if (anchor?.e.isConnected) box.scrollTop += anchor.e.getBoundingClientRect().top - anchor.top;
  drawDown(c, t);
}

function drawHead(c) {
  const mark = JSON.stringify([c.id, titleOf(c), avatarMark(c)]);
  const holder = $("avatar");
  if (holder.dataset.mark !== mark) {
    holder.replaceChildren(convAvatar(c));
    holder.dataset.mark = mark;
    $("title").textContent = titleOf(c);
  }
  $("about").textContent = about(c);
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
  const online = c.members.filter((m) => m !== model.me.username && model.presence.get(m)?.online).length;
  return plural(c.members_count, "member") + (online ? `, ${online} online` : "");
}

function rows(c, t) {
  const list = [];
  let last = "", before = null;
  const sent = new Set(t.items.filter((m) => m.from === model.me.username).map((m) => m.cid));
  const waiting = t.newer ? [] : model.client.outbox.filter((m) => m.conv === c.id && !sent.has(m.cid));
  if (t.loaded && !t.older && t.items.length === 0 && waiting.length === 0) list.push({ key: "hello", mark: c.id, make: () => hello(c) });
  for (const m of [...t.items, ...waiting]) {
    const d = day(m.at);
    if (d !== last) {
      list.push({ key: "day " + d, mark: d, make: () => el("li", { className: "day" }, el("span", { textContent: d })) });
      last = d;
      before = null;
    }
    if (unread && !m.notice && (m.seq === unread.at || m.seq > unread.after && !isMine(m))) {
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
    list.push(bubble(m, { c, t, first: before !== from, act: (...a) => messageMenu(c, t, ...a), jump, react }));
    before = from;
  }
  return list;
}

function hello(c) {
  const text = isNotes(c) ? "Only you see what you write here." : `Say hello to ${c.kind === "direct" ? nameOf(peerOf(c)) : titleOf(c)}.`;
  return el("li", { className: "hello" }, el("span", { textContent: text }));
}

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

box.addEventListener("scroll", () => {
  const t = model.threads.get(model.current);
  if (!t || shown !== model.current) return;
  following = distance() < 60 && !t.newer;
  if (box.scrollTop < NEAR) t.loadOlder();
  if (distance() < NEAR) t.loadNewer();
  drawDown(model.convs.get(model.current), t);
}, { passive: true });

// Pictures arrive, the keyboard of a phone opens: who is at the end stays there.
new ResizeObserver(() => { if (following) box.scrollTop = box.scrollHeight; }).observe(box);
box.addEventListener("load", () => { if (following) box.scrollTop = box.scrollHeight; }, true);

/** Keeps the end in sight from now on: one has written something. */
export function follow() {
  following = true;
  unread = null;
}

function drawDown(c, t) {
  $("down").hidden = following || distance() < 200 && !t.newer;
  $("down-count").textContent = c?.unread > 0 && t.newer ? c.unread : "";
}

$("down").addEventListener("click", () => {
  const t = model.threads.get(model.current);
  follow();
  if (t?.newer) t.open();
  else box.scrollTo({ top: box.scrollHeight, behavior: "smooth" });
});

export async function jump(seq) {
  const t = model.threads.get(model.current);
  if (!t) return;
  if (!t.find(seq)) await t.open(seq);
  if (!t.find(seq)) return;
  following = false;
  t.flash = seq;
  changed();
  await Promise.resolve(); // drawn
  await Promise.resolve();
  box.querySelector(`[data-seq="${seq}"]`)?.scrollIntoView({ block: "center" });
  setTimeout(() => { if (t.flash === seq) { t.flash = 0; changed(); } }, 1500);
}

$("thread-problem").querySelector("button").addEventListener("click", () => model.threads.get(model.current)?.open());

// ---- by keyboard: arrows go from message to message, Enter opens the actions

box.addEventListener("keydown", (e) => {
  if (e.target.matches("button, a, audio, video") && e.key !== "ArrowUp" && e.key !== "ArrowDown") return;
  const all = [...box.querySelectorAll(".msg")];
  const at = all.indexOf(document.activeElement?.closest(".msg"));
  if (e.key === "ArrowUp") all.at(at < 0 ? -1 : Math.max(0, at - 1))?.focus();
  else if (e.key === "ArrowDown") (all[at + 1] ?? $("compose").elements.text).focus();
  else if (e.key === "Enter" || e.key === " ") all[at]?.querySelector(".act")?.click();
  else return;
  e.preventDefault();
});

// ---- by hand: a right click or a long press does the same

function actionsAt(e) {
  const li = e.target.closest(".msg");
  if (!li || e.target.closest("a") || getSelection().toString()) return false;
  const t = model.threads.get(model.current);
  const m = t?.find(Number(li.dataset.seq));
  if (!m) return false;
  messageMenu(model.convs.get(model.current), t, m, { x: e.clientX, y: e.clientY }, li);
  return true;
}

box.addEventListener("contextmenu", (e) => {
  if (e.pointerType === "touch" || actionsAt(e)) e.preventDefault();
});

let press = 0; // timer
box.addEventListener("pointerdown", (e) => {
  if (e.pointerType !== "touch") return;
  press = setTimeout(() => { getSelection().empty(); actionsAt(e); }, 500);
});
for (const name of ["pointerup", "pointercancel", "pointermove"]) box.addEventListener(name, () => clearTimeout(press));
