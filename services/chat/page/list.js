// The list of conversations, and what a search in them finds.

import { $, el, icon, reconcile, keepClicks, attempt } from "./dom.js";
import { model, inOrder, titleOf, peerOf, isMuted, isNotes, learn, meet, nameOf, typists, changed, onForget } from "./model.js";
import { wantMarks } from "./marks.js";
import { convAvatar, avatarMark, personAvatar } from "./avatar.js";
import { shortTime, summary, mentions, marked } from "./text.js";
import { tick } from "./bubble.js";
import { convMenu } from "./convmenu.js";
import { draftOf } from "./compose.js";

const field = $("find").elements.q;
const FILTERS = { All: () => true, Unread: (c) => c.unread > 0 || c.marked_unread, Groups: (c) => c.kind === "group" };
const MANY = 6; // chats from which on it helps to see some of them only
let filter = "All"; // name of what is shown
let kept = ""; // a chat that was unread when it was opened stays in sight
let archived = false; // those are shown
let scope = ""; // the conversation that is searched; "": all
let found = null; // {q, users, messages}
let timer = 0;
const SCREEN = 60; // conversations that are drawn at first, and more with each scroll to the end
let drawn = SCREEN;

// Ticks are learnt for what is in sight.
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    wantMarks(target.dataset.key);
  }
});

onForget(() => {
  archived = false;
  filter = "All";
  drawn = SCREEN;
  field.value = scope = "";
  found = null;
});

/** open(id, seq?) shows a conversation. */
export function initList(open) {
  $("find").addEventListener("submit", (e) => {
    e.preventDefault();
    if (field.value.trim()) $("list").querySelector("button")?.click();
  });
  field.addEventListener("input", () => {
    clearTimeout(timer);
    found = null;
    timer = setTimeout(search, 200);
    changed();
  });
  field.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    if (!field.value && !scope) return;
    clearSearch();
    e.stopPropagation();
  });
  field.addEventListener("keydown", (e) => {
    if (e.key !== "ArrowDown") return;
    $("list").querySelector("button")?.focus();
    e.preventDefault();
  });
  $("list").addEventListener("scroll", () => {
    if ($("list").scrollHeight - $("list").scrollTop - $("list").clientHeight > 600 || drawn > model.convs.size) return;
    drawn += SCREEN;
    changed();
  }, { passive: true });
  $("scope").addEventListener("click", () => searchIn(""));
  $("archived").addEventListener("click", () => { archived = !archived; changed(); });
  $("list").addEventListener("keydown", arrows);
  $("filters").append(...Object.keys(FILTERS).map((name) => el("button", { type: "button", textContent: name, on: { click: () => { filter = name; kept = ""; changed(); } } })));
  keepClicks($("list"));
  return () => draw(open);
}

/** Searches in one conversation, or with "" in all. */
export function searchIn(conv) {
  scope = conv;
  found = null;
  $("app").classList.remove("reading");
  field.focus();
  if (field.value) search();
  changed();
}

export function clearSearch() {
  field.value = scope = "";
  found = null;
  changed();
}

async function search() {
  const q = field.value.trim();
  if (!q || !model.client) return;
  const name = q.replace(/^@/, "");
  const [people, messages] = await Promise.all([
    scope ? { users: [] } : model.client.get("/v1/users?limit=8&q=" + encodeURIComponent(name)).catch(() => ({ users: [] })),
    model.client.get(`/v1/search?limit=30&q=${encodeURIComponent(q)}${scope ? "&conv=" + scope : ""}`).catch(() => ({ messages: [] })),
  ]);
  if (q !== field.value.trim()) return;
  for (const u of people.users) model.people.set(u.username, u);
  meet(messages.messages.map((m) => m.from));
  found = { q, users: people.users, messages: messages.messages };
  changed();
}

function draw(open) {
  const q = field.value.trim().toLowerCase();
  const all = inOrder();
  const put = all.filter((c) => c.archived);
  if (put.length === 0) archived = false;
  $("scope").hidden = !scope;
  if (scope) $("scope-name").textContent = "In " + titleOf(model.convs.get(scope) ?? { title: "a chat" });
  $("archived").hidden = put.length === 0 || Boolean(q);
  $("archived").setAttribute("aria-pressed", archived);
  $("archived-text").textContent = archived ? "Back to all chats" : `Archived (${put.length})`;
  $("filters").hidden = Boolean(q) || archived || filter === "All" && all.length < MANY;
  for (const b of $("filters").children) b.setAttribute("aria-pressed", b.textContent === filter);
  const wanted = (c) => Boolean(c.archived) === archived && (archived || FILTERS[filter](c) || c.id === kept);
  const rows = q ? results(q, all, open) : all.filter(wanted).slice(0, drawn).map((c) => row(c, open));
  $("empty").hidden = Boolean(q) || !model.listed || all.length > 0;
  $("nothing").hidden = rows.length > 0 || !(q ? found : filter !== "All");
  reconcile($("list"), rows);
}

function results(q, all, open) {
  const chats = scope ? [] : all.filter((c) => titleOf(c).toLowerCase().includes(q) || c.kind === "direct" && peerOf(c).includes(q.replace(/^@/, "")));
  const known = new Set(all.filter((c) => c.kind === "direct").map(peerOf));
  const people = (found?.users ?? []).filter((u) => !known.has(u.username));
  const messages = found?.messages ?? [];
  return [
    ...section("Chats", chats.map((c) => row(c, (id) => { clearSearch(); open(id); }))),
    ...section("People", people.map((u) => person(u, open))),
    ...section("Messages", messages.map((m) => hit(m, open))),
  ];
}

const section = (title, rows) => (rows.length === 0 ? [] : [{
  key: "section " + title, mark: title, make: () => el("li", { className: "section", textContent: title }),
}, ...rows]);

function row(c, open) {
  const title = titleOf(c);
  const current = c.id === model.current;
  const { last } = c;
  const typing = typists(c);
  const draft = current ? "" : draftOf(c.id);
  const own = last?.from === model.me.username;
  const line = typing || (draft ? "Draft: " + draft : last ? (own ? "" : c.kind === "group" ? nameOf(last.from) + ": " : "") + summary(last) : c.kind === "group" ? "New group" : "");
  const state = own && !last.deleted && !typing && !draft && !isNotes(c) ? tick(last, c) : null;
  const unread = c.unread > 0 || c.marked_unread;
  const called = c.unread > 0 && last && mentions(last.text, model.me.username);
  const make = () => {
    const b = el("button", { type: "button", aria: { current: String(current) }, on: { click: () => { kept = c.id; open(c.id); }, contextmenu: (e) => { e.preventDefault(); convMenu(c, { x: e.clientX, y: e.clientY }); } } },
      convAvatar(c),
      el("span", { className: "name", textContent: title, dir: "auto" }),
      el("time", { className: unread ? "fresh" : "", textContent: last ? shortTime(last.at) : "" }),
      el("span", { className: "last" + (typing ? " typing" : draft ? " draft" : "") }, state && icon(state.icon, state.title), state && " ", el("bdi", { textContent: line })),
      el("span", { className: "badges" },
        isMuted(c) && icon("mute", "muted"), c.pinned && icon("pin", "pinned"),
        called && el("span", { className: "badge", textContent: "@", title: "You were mentioned" }),
        unread && el("span", { className: "badge" + (isMuted(c) ? " quiet" : ""), textContent: c.unread > 99 ? "99+" : c.unread || "" , aria: { label: c.unread ? c.unread + " unread" : "marked as unread" } })));
    if (state?.read) b.querySelector(".last .icon").classList.add("read");
    const li = el("li", {}, b);
    if (own && !state) sight.observe(li);
    return li;
  };
  const mark = JSON.stringify([title, current, line, state, own, c.unread, c.marked_unread, called, last?.at, isMuted(c), c.pinned, avatarMark(c), Boolean(typing), Boolean(draft)]);
  return { key: c.id, mark, make };
}

function person(u, open) {
  const start = () => attempt(async () => {
    const c = await model.client.post("/v1/conversations", { kind: "direct", with: u.username });
    learn(c);
    clearSearch();
    open(c.id);
  });
  return { key: "@" + u.username, mark: u.name + u.avatar_url, make: () => el("li", {}, el("button", { type: "button", on: { click: start } },
    personAvatar(u.username),
    el("span", { className: "name", textContent: u.name || u.username }), el("span"),
    el("span", { className: "last", textContent: "@" + u.username + (u.about ? " · " + u.about : "") }))) };
}

function hit(m, open) {
  const c = model.convs.get(m.conv);
  const title = c ? titleOf(c) : nameOf(m.from);
  return { key: "hit " + m.conv + "/" + m.seq, mark: title + m.text + nameOf(m.from) + found?.q, make: () => el("li", {}, el("button", { type: "button", on: { click: () => open(m.conv, m.seq) } },
    c ? convAvatar(c) : personAvatar(m.from),
    el("span", { className: "name", textContent: title }), el("time", { textContent: shortTime(m.at) }),
    el("span", { className: "last" }, nameOf(m.from) + ": ", el("bdi", {}, ...marked(summary(m), found?.q ?? ""))))) };
}

function arrows(e) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!step) return;
  const buttons = [...$("list").querySelectorAll("button")];
  (buttons[buttons.indexOf(document.activeElement) + step] ?? (step < 0 ? field : null))?.focus();
  e.preventDefault();
}
