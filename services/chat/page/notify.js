// The number of chats that wait, in the title, and notes of the system while the
// page is open but not looked at.

import { model, waiting, isMuted, titleOf, nameOf } from "./model.js";
import { announce } from "./dom.js";
import { summary } from "./text.js";

const KEY = "portico_chat_notify";

export const canNotify = () => "Notification" in globalThis;
export const notifies = () => canNotify() && Notification.permission === "granted" && localStorage.getItem(KEY) === "yes";

/** Turns notes on or off; resolves with whether they are on. */
export async function setNotify(on) {
  if (on && canNotify() && await Notification.requestPermission() === "granted") localStorage.setItem(KEY, "yes");
  else localStorage.removeItem(KEY);
  return notifies();
}

export function drawTitle() {
  const n = model.me ? waiting() : 0;
  document.title = (n ? `(${n}) ` : "") + "Chat";
}

/** Tells of a message of somebody else; called says that one is mentioned. */
export function tell(c, m, called, open) {
  if (m.deleted) return;
  const text = `${nameOf(m.from)}: ${summary(m)}`;
  if (c.id === model.current && !document.hidden) announce(text);
  if (isMuted(c) && !called || !notifies() || c.id === model.current && document.hasFocus()) return;
  const note = new Notification(titleOf(c), { body: c.kind === "direct" ? summary(m) : text, tag: c.id, icon: "icon.svg" });
  note.onclick = () => {
    focus();
    open(c.id);
    note.close();
  };
}
