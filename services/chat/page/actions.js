// What one can do with a message.

import { el, attempt, toast, announce } from "./dom.js";
import { model, changed, nameOf, isAdmin } from "./model.js";
import { showMenu, closeMenu } from "./menu.js";
import { quickRow, emojiGrid } from "./emoji.js";
import { isMine } from "./bubble.js";
import { startReply, startEdit } from "./compose.js";
import { ask, showDialog, chooseConversations } from "./dialogs.js";
import { personAvatar } from "./avatar.js";

const path = (m) => `/v1/conversations/${m.conv}/messages/${m.seq}`;

export function messageMenu(c, t, m, near, li) {
  if (m.deleted) {
    showMenu(near, [{ icon: "trash", label: "Delete for me", danger: true, run: () => hide(t, m) }]);
    return;
  }
  const mine = isMine(m);
  const writes = !c.left;
  const chosen = m.reactions?.find((r) => r.mine)?.emoji;
  const head = writes && quickRow((e) => { closeMenu(); react(m, e); }, () => allEmoji(m, near), chosen);
  showMenu(near, [
    writes && { icon: "reply", label: "Reply", run: () => startReply(m) },
    writes && c.kind === "group" && !mine && { icon: "person", label: `Message ${nameOf(m.from)}`, run: () => dispatchEvent(new CustomEvent("chat:direct", { detail: m.from })) },
    m.text && { icon: "copy", label: "Copy text", run: () => copy(m.text) },
    { icon: "forward", label: "Forward", run: () => forward(m) },
    writes && mine && m.text && { icon: "edit", label: "Edit", run: () => startEdit(m) },
    mine && { icon: "info", label: "Read by", run: () => receipts(m) },
    { icon: "trash", label: "Delete for me", danger: true, run: () => hide(t, m) },
    writes && (mine || c.kind === "group" && isAdmin(c)) && { icon: "trash", label: "Delete for everyone", danger: true, run: () => erase(m) },
  ], { head });
  li?.classList.add("chosen");
  if (li) addEventListener("focusin", () => li.classList.remove("chosen"), { once: true });
}

function allEmoji(m, near) {
  closeMenu();
  showMenu(near, [], { head: emojiGrid((e) => { closeMenu(); react(m, e); }), label: "Reactions" });
}

/** Sets one's reaction, or takes it back if it is that already. */
export function react(m, emoji) {
  const on = !m.reactions?.some((r) => r.mine && r.emoji === emoji);
  const at = `${path(m)}/reactions/${encodeURIComponent(emoji)}`;
  return attempt(() => (on ? model.client.put(at) : model.client.delete(at)));
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser does not let this page copy.");
  }
}

const hide = (t, m) => attempt(async () => {
  await model.client.delete(path(m) + "?for=me");
  t.hide(m.seq);
  changed();
});

async function erase(m) {
  if (await ask("Delete this message for everyone?", "Delete", "Nobody will be able to read it any more.")) attempt(() => model.client.delete(path(m)));
}

async function forward(m) {
  const to = await chooseConversations("Forward to");
  for (const id of to) model.client.send(id, m.text ?? "", { attachments: m.attachments }).catch(() => {}); // shown there
  if (to.length) announce("Forwarded.");
  changed();
}

async function receipts(m) {
  const read = [], has = [], none = [];
  const ok = await attempt(async () => {
    for (let after = ""; ;) {
      const page = await model.client.get(`${path(m)}/receipts?limit=200&after=${encodeURIComponent(after)}`);
      for (const r of page.receipts) (r.read ? read : r.recv ? has : none).push(r.username);
      if (!(after = page.next)) break;
    }
  });
  if (!ok) return;
  const part = (title, who) => who.length > 0 && el("section", {}, el("h3", { textContent: title }),
    el("ul", { className: "people" }, ...who.map((u) => el("li", {}, personAvatar(u), el("span", { textContent: nameOf(u) })))));
  showDialog("Message info", el("blockquote", { textContent: m.text || "Attachment" }), part("Read by", read), part("Delivered to", has), part("Not delivered yet", none));
}
