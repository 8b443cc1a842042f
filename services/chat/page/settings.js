// One's own profile, privacy, devices, password, data, and the end of it all.

import { el, attempt, toast } from "./dom.js";
import { model, changed, nameOf } from "./model.js";
import { showDialog, form, input, ask } from "./dialogs.js";
import { personAvatar } from "./avatar.js";
import { moment } from "./text.js";
import { choosePicture } from "./picture.js";
import { canNotify, notifies, setNotify } from "./notify.js";
import { theme, setTheme } from "./theme.js";
import { block } from "./convmenu.js";

function learnMe(me) {
  model.me = me;
  model.people.set(me.username, me);
  changed();
}

const patch = async (change) => learnMe(await model.client.patch("/v1/me", change));

/** signOut() ends this device's session; gone() is called when there is no account any more. */
export async function showSettings(signOut, gone) {
  // Another device may have changed it; and what is shown here is saved.
  if (!await attempt(async () => learnMe(await model.client.get("/v1/me"))) && !model.listed) return;
  const { me } = model;
  const { box, close } = showDialog("Settings",
    el("div", { className: "profile" }, personAvatar(me.username), el("strong", { textContent: me.name || me.username }), el("small", { textContent: "@" + me.username })),
    fold("Profile", true, profile(), el("div", { className: "buttons" },
      el("button", { type: "button", textContent: "Change the picture", on: { click: () => choosePicture((id) => patch({ avatar: id })) } }),
      me.avatar && el("button", { type: "button", textContent: "Remove the picture", on: { click: () => attempt(() => patch({ avatar: "" })) } }))),
    fold("Privacy", false, privacy(), blockedList()),
    fold("Notifications and appearance", false, el("div", { className: "stack" }, notifications(), appearance())),
    fold("Devices", false, ...devices()),
    fold("Password", false, password()),
    fold("Your data", false, data(gone, () => box.close())),
    el("div", { className: "buttons" }, el("button", { type: "button", id: "out", textContent: "Sign out", on: { click: () => { close(); signOut(); } } })));
}

const fold = (title, open, ...children) => el("details", { open, name: "settings" }, el("summary", { textContent: title }), ...children);

const profile = () => form([
  input("Name", "name", { value: model.me.name, maxLength: 64 }),
  input("About", "about", { value: model.me.about, maxLength: 140 }),
], "Save", async ({ name, about }) => {
  await patch({ name: name.value.trim(), about: about.value.trim() });
  toast("Saved.");
});

function privacy() {
  const seen = el("select", { on: { change: (e) => attempt(() => patch({ last_seen: e.target.value })) } },
    ...[["everyone", "Everyone"], ["contacts", "People I chat with"], ["nobody", "Nobody"]].map(([value, text]) => el("option", { value, textContent: text, selected: model.me.last_seen === value })));
  const receipts = el("input", { type: "checkbox", checked: model.me.receipts, on: { change: (e) => attempt(() => patch({ receipts: e.target.checked })) } });
  return el("div", { className: "stack" }, el("label", {}, "Who can see when I was online", seen),
    el("label", { className: "check" }, receipts, "Others can see what I have read"));
}

function blockedList() {
  const names = [...model.blocked];
  if (names.length === 0) return null;
  return el("section", {}, el("h3", { textContent: "Blocked" }), el("ul", { className: "people" }, ...names.map((u) => {
    const li = el("li", {}, el("span", { textContent: nameOf(u) }), el("button", { type: "button", textContent: "Unblock", on: { click: async () => { await block(u); li.remove(); } } }));
    return li;
  })));
}

function notifications() {
  if (!canNotify()) return el("p", { className: "hint", textContent: "This browser cannot show notifications." });
  const box = el("input", { type: "checkbox", checked: notifies(), on: { change: async (e) => {
    const on = await setNotify(e.target.checked);
    if (e.target.checked && !on) toast("The browser does not let this page show notifications.");
    e.target.checked = on;
  } } });
  return el("label", { className: "check" }, box, "Show new messages while this page is open");
}

function appearance() {
  const choice = el("select", { on: { change: (e) => setTheme(e.target.value) } },
    ...[["", "As the system has it"], ["light", "Light"], ["dark", "Dark"]].map(([value, textContent]) => el("option", { value, textContent, selected: theme() === value })));
  return el("label", {}, "Dark or light", choice);
}

function devices() {
  const list = el("ul", { className: "people" });
  const draw = () => attempt(async () => {
    const { sessions } = await model.client.get("/v1/sessions");
    list.replaceChildren(...sessions.map((s) => el("li", {},
      el("span", {}, s.device || "Unknown device", el("small", { textContent: s.current ? "This device" : "Last active " + moment(s.seen_at) })),
      !s.current && el("button", { type: "button", textContent: "Log out", aria: { label: "Log out " + (s.device || "the device") }, on: { click: () => attempt(async () => {
        await model.client.delete("/v1/sessions/" + s.id);
        await draw();
      }) } }))));
  });
  draw();
  return [list];
}

function password() {
  const f = form([
    input("Current password", "old", { type: "password", autocomplete: "current-password", required: true }),
    input("New password", "fresh", { type: "password", autocomplete: "new-password", required: true, minLength: 8, maxLength: 256 }),
    el("small", { textContent: "All other devices are logged out." }),
  ], "Change the password", async ({ old, fresh }) => {
    await model.client.post("/v1/me/password", { old: old.value, new: fresh.value });
    f.reset();
    toast("The password is changed. Other devices are logged out.");
  });
  return f;
}

function data(gone, close) {
  return el("div", { className: "stack" },
    el("button", { type: "button", textContent: "Export my data", on: { click: exportData } }),
    el("button", { type: "button", className: "danger", textContent: "Delete my account…", on: { click: () => removeAccount(gone, close) } }));
}

const exportData = () => attempt(async () => {
  const { client } = model;
  const res = await fetch(client.base + "/v1/export", { headers: { Authorization: "Bearer " + client.token } });
  if (!res.ok) throw new Error((await res.json().catch(() => null))?.error?.message ?? `the server answered ${res.status}`);
  const url = URL.createObjectURL(await res.blob());
  el("a", { href: url, download: `chat-${model.me.username}.jsonl` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
});

async function removeAccount(gone, close) {
  if (!await ask("Delete your account?", "Go on", "Everything of you is erased, here and in the photos, and your username is never given again.")) return;
  const f = form([input("Password", "password", { type: "password", autocomplete: "current-password", required: true })], "Delete my account for good", async (fields) => {
    await call({ password: fields.password.value });
    dialog.close();
    close();
    gone();
  });
  const call = (body) => model.client.delete("/v1/me", body);
  const dialog = showDialog("Delete your account", f);
}
