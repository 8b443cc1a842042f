// The page: puts its parts together. What a Client knows, made visible.

import { $, el, icon, attempt } from "./dom.js";
import { Client } from "./client.js";
import { model, changed, onChange, forgetAll, learn, peerOf } from "./model.js";
import { follow } from "./events.js";
import { initDoor, showDoor, session, forgetSession } from "./door.js";
import { initList, searchIn, clearSearch } from "./list.js";
import { openThread, closeThread, drawThread, tellRead } from "./thread.js";
import { loadDrafts, forgetDrafts } from "./compose.js";
import { convMenu } from "./convmenu.js";
import { ask } from "./dialogs.js";
import { newGroup, showGroup, joinBy } from "./group.js";
import { showPerson } from "./person.js";
import { showSettings } from "./settings.js";
import { showMenu } from "./menu.js";
import { personAvatar } from "./avatar.js";
import { drawTitle, tell, initNotes } from "./notify.js";
import "./touch.js";

// ---- coming and going

function enter({ token, username }) {
  const client = new Client({ token, outbox: localStorage, key: "portico_chat_outbox_" + username });
  model.client = client;
  model.me = { username, name: "", about: "" };
  loadDrafts();
  follow(client, (c, m, called) => {
    tellRead();
    tell(c, m, called, (id) => go(id));
  });
  client.on("stop", ({ code }) => { if (code === 4500) leave("You were signed out: on another device, or with a new password."); });
  $("door").hidden = true;
  $("app").hidden = false;
  initNotes(go);
  changed();
  client.start();
}

function leave(message) {
  forgetSession();
  model.client?.stop();
  closeThread();
  forgetAll();
  for (const d of document.querySelectorAll("dialog[open]")) d.close();
  history.replaceState(null, "", location.pathname);
  showDoor(message);
  drawTitle();
}

async function signOut() {
  const { client } = model;
  if (client.outbox.length > 0 && !await ask("Sign out?", "Sign out", "What was not sent yet is lost.")) return;
  client.stop();
  await client.delete("/v1/sessions/current").catch(() => {}); // without a server it stays in the list of devices
  clean();
  leave();
}

function removed() {
  clean();
  leave("Your account is deleted.");
}

// Somebody else may use this browser.
function clean() {
  forgetDrafts();
  localStorage.removeItem(model.client.key);
}

// ---- which conversation is open is in the address, so that "back" closes it

function go(id, seq) {
  const hash = "#" + id + (seq ? "/" + seq : "");
  if (location.hash !== hash) history[model.current || history.state?.spare ? "replaceState" : "pushState"](null, "", hash);
  openThread(id, seq);
}

function followAddress() {
  if (!model.listed) return;
  const join = /^#join=(.+)$/.exec(location.hash);
  if (join) {
    history.replaceState(null, "", location.pathname);
    joinBy(decodeURIComponent(join[1]), go);
    return;
  }
  const person = /^#@([\w.-]+)$/.exec(location.hash);
  if (person) { // links to people, as other services have them
    history.replaceState(null, "", location.pathname);
    direct(person[1].toLowerCase());
    return;
  }
  const [id, seq] = location.hash.slice(1).split("/");
  if (!model.convs.has(id)) closeThread();
  else if (id !== model.current || seq) openThread(id, Number(seq) || undefined);
}

function back() {
  const id = model.current;
  closeThread();
  if (location.hash) history.replaceState({ spare: true }, "", location.pathname); // for what is opened next
  document.querySelector(`#list [data-key="${CSS.escape(id)}"] button`)?.focus();
}

addEventListener("popstate", followAddress);
addEventListener("hashchange", followAddress);

// ---- drawing

const drawList = initList(go);
let wasListed = false;

onChange(() => {
  drawTitle();
  if (!model.me) {
    wasListed = false;
    return;
  }
  if (model.listed && !wasListed) {
    wasListed = true;
    followAddress();
  }
  if (model.current && model.listed && !model.convs.has(model.current)) back();
  drawState();
  drawMe();
  drawList();
  drawThread();
});

const STATES = {
  connecting: "Connecting…",
  offline: "No connection. What you write is sent as soon as there is one.",
  stopped: "The server has ended the connection.",
};

let late = 0; // timer: a connection that comes at once is not worth a word
function drawState() {
  if (document.body.dataset.state === model.state) return;
  document.body.dataset.state = model.state;
  clearTimeout(late);
  const text = STATES[model.state];
  if (!text) $("state").hidden = true;
  else late = setTimeout(() => {
    const again = model.state === "stopped" && el("button", { type: "button", textContent: "Connect again", on: { click: () => model.client.start() } });
    $("state").replaceChildren(text, again || "");
    $("state").hidden = false;
  }, $("state").hidden ? 400 : 0);
}

setInterval(() => { if (model.me && !document.hidden) changed(); }, 60_000); // "today" ends, and so does what is muted

function drawMe() {
  const mark = JSON.stringify(model.me);
  if ($("me").dataset.mark === mark) return;
  $("me").dataset.mark = mark;
  $("me").replaceChildren(personAvatar(model.me.username), el("span", { textContent: model.me.name || model.me.username, dir: "auto" }));
}

// ---- buttons

const current = () => model.convs.get(model.current);

$("me").addEventListener("click", () => showSettings(signOut, removed));
$("new").addEventListener("click", (e) => showMenu(e.currentTarget, [
  { icon: "person", label: "New chat", run: () => $("find").elements.q.focus() },
  { icon: "group", label: "New group", run: () => newGroup(go) },
  { icon: "edit", label: "Notes to yourself", run: () => direct(model.me.username) },
]));
$("back").addEventListener("click", back);
$("who").addEventListener("click", () => {
  const c = current();
  if (c.kind === "group") showGroup(c);
  else if (peerOf(c) !== model.me.username) showPerson(peerOf(c));
});
$("find-in").addEventListener("click", () => { searchIn(model.current); });
$("conv-menu").addEventListener("click", (e) => convMenu(current(), e.currentTarget));
for (const [id, name] of [["new", "plus"], ["back", "back"], ["find-in", "search"], ["conv-menu", "more"], ["attach", "clip"], ["emoji", "smile"], ["send", "send"]]) $(id).append(icon(name));
$("down").prepend(icon("down"));
$("archived").prepend(icon("archive"));
$("scope").append(icon("close"));

const direct = (username) => attempt(async () => {
  const c = learn(await model.client.post("/v1/conversations", { kind: "direct", with: username }));
  go(c.id);
});
addEventListener("chat:direct", (e) => direct(e.detail));

$("skip").addEventListener("click", () => ($("open").hidden ? $("find").elements.q : $("compose").hidden ? $("messages") : $("compose").elements.text).focus());

document.addEventListener("visibilitychange", () => { tellRead(); changed(); });
addEventListener("focus", tellRead);
addEventListener("keydown", (e) => {
  if (e.defaultPrevented) return;
  if (e.key === "Escape" && !document.querySelector("dialog[open]") && model.current) {
    if ($("find").elements.q.value) clearSearch();
    else back();
  } else if (e.key === "k" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    searchIn("");
  }
});
addEventListener("storage", (e) => {
  // Another tab signed in or out.
  if (e.key === "portico_chat_session" && session()?.token !== model.client?.token) location.reload();
});

initDoor(enter);
const known = session();
if (known) enter(known);
else showDoor();
