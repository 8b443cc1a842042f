// What one can do with a conversation.

import { attempt, toast } from "./dom.js";
import { model, changed, titleOf, peerOf, isMuted, isNotes, nameOf, forget } from "./model.js";
import { showMenu } from "./menu.js";
import { ask } from "./dialogs.js";
import { showGroup } from "./group.js";
import { showPerson } from "./person.js";

const path = (c) => "/v1/conversations/" + c.id;
const HOUR = 3_600_000;
const ALWAYS = "9999-12-31T00:00:00.000Z";

/** more are items for the top. */
export function convMenu(c, near, more = []) {
  const direct = c.kind === "direct";
  showMenu(near, [
    ...more,
    isNotes(c) ? null : direct ? { icon: "person", label: "Contact info", run: () => showPerson(peerOf(c)) } : { icon: "group", label: "Group info", run: () => showGroup(c) },
    { icon: "pin", label: c.pinned ? "Unpin" : "Pin", run: () => set(c, { pinned: !c.pinned }) },
    isMuted(c) ? { icon: "bell", label: "Unmute", run: () => set(c, { muted_until: null }) } : { icon: "mute", label: "Mute…", run: () => mute(c, near) },
    { icon: "archive", label: c.archived ? "Unarchive" : "Archive", run: () => set(c, { archived: !c.archived }) },
    { icon: "unread", label: c.unread || c.marked_unread ? "Mark as read" : "Mark as unread", run: () => toggleUnread(c) },
    direct && !isNotes(c) && { icon: "block", label: model.blocked.has(peerOf(c)) ? "Unblock" : "Block", danger: true, run: () => block(peerOf(c)) },
    direct || c.left
      ? { icon: "trash", label: "Delete chat", danger: true, run: () => leave(c) }
      : { icon: "out", label: "Leave group", danger: true, run: () => leave(c) },
  ]);
}

const mute = (c, near) => showMenu(near, [["8 hours", 8 * HOUR], ["1 week", 168 * HOUR], ["Always", 0]].map(([label, ms]) => ({
  icon: "mute", label, run: () => set(c, { muted_until: ms ? new Date(Date.now() + ms).toISOString() : ALWAYS }),
})), { label: "Mute for" });

function set(c, settings) {
  return attempt(async () => {
    await model.client.put(path(c) + "/settings", settings);
    const known = model.convs.get(c.id);
    if (known) Object.assign(known, settings);
    changed();
  });
}

function toggleUnread(c) {
  if (c.unread > 0) {
    model.client.mark(c.id, { recv: c.last_seq, read: c.last_seq });
    Object.assign(c, { unread: 0, read: c.last_seq });
    changed();
    return;
  }
  const unread = !c.marked_unread;
  attempt(async () => {
    await model.client.put(path(c) + "/settings", { unread });
    c.marked_unread = unread;
    changed();
  });
}

export async function block(username) {
  const on = !model.blocked.has(username);
  if (on && !await ask(`Block ${nameOf(username)}?`, "Block", "You will no longer get direct messages from each other, nor see who is online. Shared groups stay as they are.")) return;
  await attempt(async () => {
    if (on) await model.client.put("/v1/blocks/" + username);
    else await model.client.delete("/v1/blocks/" + username);
    on ? model.blocked.add(username) : model.blocked.delete(username);
    toast(`${nameOf(username)} is ${on ? "blocked" : "no longer blocked"}.`);
    changed();
  });
}

/** Leaves a group, or deletes for oneself what is left; resolves with whether it was done. */
export async function leave(c) {
  const goes = c.kind === "direct" || c.left; // a group stays, to be read, until it is deleted
  if (!await (goes ? ask("Delete this chat for you?", "Delete") : ask(`Leave “${titleOf(c)}”?`, "Leave"))) return false;
  return attempt(async () => {
    await model.client.delete(path(c));
    if (goes) forget(c.id);
  });
}
