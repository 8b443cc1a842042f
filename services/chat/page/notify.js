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
  initNotes();
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
  show(titleOf(c), { body: c.kind === "direct" ? summary(m) : text, tag: c.id, icon: "icon.svg", data: c.id }, () => {
    focus();
    open(c.id);
  });
}

// Phones show notes through a service worker only. It does nothing else: no file
// of the page comes from it, so that none can be older than the server.
async function show(title, options, click) {
  try {
    const note = new Notification(title, options);
    note.onclick = () => {
      click();
      note.close();
    };
  } catch {
    (await navigator.serviceWorker?.getRegistration())?.showNotification(title, options);
  }
}

let openNote = () => {};
navigator.serviceWorker?.addEventListener("message", (e) => openNote(e.data));

/** Has notes of the system open(id) their conversation. */
export function initNotes(open = openNote) {
  openNote = open;
  if (notifies()) navigator.serviceWorker?.register("notes.js").catch(() => {}); // over plain HTTP there is none
}
