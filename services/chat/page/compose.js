// The field to write in: drafts, replies, edits, mentions, and saying that one
// types.

import { $, el, iconButton, attempt, announce, toast } from "./dom.js";
import { model, changed, onForget, nameOf, peerOf } from "./model.js";
import { personAvatar } from "./avatar.js";
import { size, summary } from "./text.js";
import { showMenu, closeMenu } from "./menu.js";
import { emojiGrid } from "./emoji.js";
import { initFiles, drawFiles, takeFiles, hasFiles } from "./files.js";
import { membersOf } from "./marks.js";
import { follow } from "./thread.js";

const form = $("compose");
const field = form.elements.text;
const TYPING = 3000; // between two times that one says so
const drafts = new Map(); // conversation -> text
const answers = new Map(); // conversation -> message that is answered
let conv = "";
let editing = null; // message
let sized = true; // the field has the height of its text, and the focus, which only what is shown can have
let typed = 0; // when one last said so
let chosen = 0; // of the people that are offered
const sending = new Set(); // conversations whose message waits for its files

onForget(() => {
  drafts.clear();
  answers.clear();
  sending.clear();
  conv = field.value = "";
  editing = null;
});

export const draftOf = (id) => drafts.get(id)?.trim() ?? "";
const key = () => "portico_chat_drafts_" + model.me.username;

export function loadDrafts() {
  drafts.clear();
  try {
    for (const [id, text] of Object.entries(JSON.parse(localStorage.getItem(key()) ?? "{}"))) drafts.set(id, text);
  } catch { /* no drafts then */ }
}

/** Takes the drafts out of the browser: somebody else may use it. */
export function forgetDrafts() {
  localStorage.removeItem(key());
}

function keepDraft() {
  if (!conv || editing) return;
  if (field.value) drafts.set(conv, field.value);
  else drafts.delete(conv);
  try {
    localStorage.setItem(key(), JSON.stringify(Object.fromEntries(drafts)));
  } catch { /* full or forbidden: it lives as long as the page */ }
}

/** Shows what was being written in a conversation. */
export function openCompose(id) {
  stopEdit();
  typing(false);
  conv = id;
  field.value = drafts.get(id) ?? "";
  sized = false;
  offer();
}

export function drawCompose(c) {
  const blocked = c.kind === "direct" && model.blocked.has(peerOf(c));
  form.hidden = Boolean(c.left || blocked);
  $("closed").hidden = !form.hidden;
  if (!sized) {
    sized = true;
    grow();
    if (!matchMedia("(pointer: coarse)").matches) field.focus();
  }
  if (c.left) $("closed").textContent = "You cannot write here: you are no longer in this group.";
  else if (blocked) $("closed").textContent = `You blocked ${nameOf(peerOf(c))}. Unblock to write.`;
  const m = editing ?? answers.get(conv);
  $("about-draft").hidden = !m;
  if (m) {
    $("about-draft-title").textContent = editing ? "Edit message" : "Reply to " + nameOf(m.from);
    $("about-draft-text").textContent = summary(m);
  }
  $("attach").hidden = Boolean(editing);
  field.readOnly = $("send").disabled = sending.has(conv);
  form.classList.toggle("sending", sending.has(conv));
  drawFiles(conv);
}

export function startReply(m) {
  stopEdit();
  answers.set(conv, m);
  changed();
  field.focus();
}

export function startEdit(m) {
  keepDraft();
  editing = m;
  field.value = m.text;
  grow();
  changed();
  field.focus();
}

function stopEdit() {
  if (!editing) return;
  editing = null;
  field.value = drafts.get(conv) ?? "";
  grow();
}

function cancel() {
  if (editing) stopEdit();
  else answers.delete(conv);
  changed();
  field.focus();
}

async function submit() {
  const text = clean(field.value);
  if (editing) {
    const m = editing;
    if (!text) return;
    if (text === m.text || await attempt(() => model.client.patch(`/v1/conversations/${m.conv}/messages/${m.seq}`, { text }))) cancel();
    return;
  }
  if (!conv || !text && !hasFiles(conv)) return;
  const most = model.client.limits.text ?? 16384;
  if (new TextEncoder().encode(text).length > most) {
    toast(`This message is too long. ${size(most)} is the most that one may have.`);
    return;
  }
  const id = conv;
  let attachments;
  if (hasFiles(id)) {
    if (sending.has(id)) return;
    const { client } = model;
    sending.add(id);
    changed();
    attachments = await takeFiles(id).finally(() => sending.delete(id));
    changed();
    if (!attachments || client !== model.client) return; // one of them failed, and says so
  }
  const reply_to = answers.get(id)?.seq;
  answers.delete(id);
  drafts.delete(id);
  if (conv === id) {
    field.value = "";
    grow();
    keepDraft();
  }
  send(id, text, { reply_to, attachments });
  if (conv !== id) return;
  typing(false);
  follow();
  field.focus();
}

// Control characters, which come with what is pasted, are not taken by the service.
const clean = (s) => (s.toWellFormed?.() ?? s).replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, "").trim();

// The answer may come before the event that says the same to all devices.
function send(id, text, more) {
  const from = model.me.username;
  model.client.send(id, text, more).then(
    (ack) => {
      const t = model.threads.get(id);
      if (t && !t.find(ack.seq)) t.apply({ type: "message", from, text, ...more, ...ack });
      changed();
    },
    (err) => announce("Not sent: " + err.message), // shown at the message
  );
}

function typing(on) {
  if (on && Date.now() - typed < TYPING || !on && !typed) return;
  typed = on ? Date.now() : 0;
  model.client?.typing(conv, on);
}

function grow() {
  field.style.height = "";
  field.style.height = Math.min(field.scrollHeight + 2, 160) + "px";
}

// ---- mentions: after an @ the members are offered

function wanted() {
  const c = model.convs.get(conv);
  if (c?.kind !== "group") return null;
  const before = field.value.slice(0, field.selectionStart);
  return /(?:^|[\s(])@([a-z0-9_.]*)$/i.exec(before)?.[1].toLowerCase() ?? null;
}

function offer() {
  const box = $("offers");
  const q = wanted();
  const known = membersOf(conv).filter((u) => u !== model.me?.username);
  const fits = q === null ? [] : known.filter((u) => u.startsWith(q) || nameOf(u).toLowerCase().startsWith(q)).slice(0, 6);
  box.hidden = fits.length === 0;
  chosen = Math.min(chosen, Math.max(0, fits.length - 1));
  if (fits.length) field.setAttribute("aria-activedescendant", "offer-" + chosen);
  else field.removeAttribute("aria-activedescendant");
  box.replaceChildren(...fits.map((u, i) => el("li", {
    id: "offer-" + i, role: "option", aria: { selected: String(i === chosen) }, data: { user: u },
    on: { pointerdown: (e) => { e.preventDefault(); mention(u); } },
  }, personAvatar(u), el("span", { textContent: nameOf(u) }), el("small", { textContent: "@" + u }))));
}

function mention(user) {
  const at = field.selectionStart;
  const start = field.value.slice(0, at).replace(/@[a-z0-9_.]*$/i, "@" + user + " ");
  field.value = start + field.value.slice(at);
  field.setSelectionRange(start.length, start.length);
  keepDraft();
  offer();
  field.focus();
}

function offerKeys(e) {
  const all = [...$("offers").children];
  if ($("offers").hidden || all.length === 0) return false;
  if (e.key === "ArrowDown") chosen = (chosen + 1) % all.length;
  else if (e.key === "ArrowUp") chosen = (chosen + all.length - 1) % all.length;
  else if (e.key === "Enter" || e.key === "Tab") { mention(all[chosen].dataset.user); return true; }
  else if (e.key === "Escape") { $("offers").hidden = true; return true; }
  else return false;
  offer();
  return true;
}

// ---- what one does

form.addEventListener("submit", (e) => {
  e.preventDefault();
  submit();
});

field.addEventListener("keydown", (e) => {
  if (e.isComposing) return;
  if (offerKeys(e)) {
    e.preventDefault();
    entered = e.key === "Enter";
  } else if (e.key === "Enter" && !e.shiftKey) {
    e.preventDefault();
    entered = true;
    submit();
  } else if (e.key === "Escape" && (editing || answers.has(conv))) {
    e.stopPropagation();
    cancel();
  } else if (e.key === "ArrowUp" && !field.value && !editing) {
    const last = model.threads.get(conv)?.items.findLast((m) => m.from === model.me.username && m.text && !m.deleted && !m.notice);
    if (!last) return;
    e.preventDefault();
    startEdit(last);
  }
});

// Some keyboards put in the line break even so.
let entered = false;
field.addEventListener("keyup", () => { entered = false; });
field.addEventListener("beforeinput", (e) => { if (entered && e.inputType === "insertLineBreak") e.preventDefault(); });

field.addEventListener("input", () => {
  grow();
  keepDraft();
  offer();
  typing(Boolean(field.value));
});
field.addEventListener("blur", () => { $("offers").hidden = true; });

$("about-draft").append(iconButton("close", "Cancel", cancel));

$("emoji").addEventListener("click", (e) => showMenu(e.currentTarget, [], { label: "Emoji", head: emojiGrid((emoji) => {
  closeMenu();
  field.focus();
  field.setRangeText(emoji, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input"));
}) }));

initFiles(() => conv, () => Boolean(editing));
