// Messages by keyboard and by finger: arrows go from one to the next, Enter, a
// right click or a long press opens the actions.

import { $ } from "./dom.js";
import { model } from "./model.js";
import { messageMenu } from "./actions.js";
import { startReply } from "./compose.js";

const box = $("messages");
const LONG = 500; // milliseconds
const SHAKE = 10; // pixels that a finger may move meanwhile
const SWIPE = 60; // pixels to the side that mean a reply

const messageOf = (li) => model.threads.get(model.current)?.find(Number(li?.dataset.seq));

box.addEventListener("keydown", (e) => {
  if (e.target.matches("button, a, audio, video") && e.key !== "ArrowUp" && e.key !== "ArrowDown") return;
  const all = [...box.querySelectorAll(".msg")];
  const at = all.indexOf(document.activeElement?.closest(".msg"));
  if (e.key === "ArrowUp") all.at(at < 0 ? -1 : Math.max(0, at - 1))?.focus();
  else if (e.key === "ArrowDown") (all[at + 1] ?? $("compose").elements.text).focus();
  else if (e.key === "Home") all[0]?.focus();
  else if (e.key === "End") all.at(-1)?.focus();
  else if (e.key === "Enter" || e.key === " ") all[at]?.querySelector(".act")?.click();
  else return;
  e.preventDefault();
});

function actionsAt(e) {
  const li = e.target.closest(".msg");
  const m = messageOf(li);
  if (!m || e.target.closest("a") || getSelection().toString()) return false;
  messageMenu(model.convs.get(model.current), model.threads.get(model.current), m, { x: e.clientX, y: e.clientY }, li);
  return true;
}

box.addEventListener("contextmenu", (e) => {
  if (e.target.closest("a")) return;
  if (e.pointerType === "touch" || actionsAt(e)) e.preventDefault();
});

let press = 0; // timer
let start = null; // {x, y, li} of the finger

box.addEventListener("pointerdown", (e) => {
  if (e.pointerType !== "touch" || !e.isPrimary) return;
  start = { x: e.clientX, y: e.clientY, li: e.target.closest(".msg") };
  press = setTimeout(() => {
    getSelection().empty();
    if (actionsAt(e)) end();
  }, LONG);
});

box.addEventListener("pointermove", (e) => {
  if (!start) return;
  const x = e.clientX - start.x, y = e.clientY - start.y;
  if (Math.hypot(x, y) > SHAKE) clearTimeout(press);
  if (Math.abs(y) > Math.abs(x) && Math.abs(y) > SHAKE) end();
  else if (start?.li && x > SHAKE) start.li.style.translate = Math.min(x, SWIPE + 20) + "px";
});

box.addEventListener("pointerup", (e) => {
  const { li, x } = start ?? {};
  end();
  const m = messageOf(li);
  if (m && !m.deleted && e.clientX - x > SWIPE && !$("compose").hidden) startReply(m);
});
box.addEventListener("pointercancel", end);

function end() {
  clearTimeout(press);
  if (start?.li) start.li.style.translate = "";
  start = null;
}
