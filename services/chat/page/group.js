// Groups: making one, and who is in it.

import { el, icon, iconButton, attempt, toast } from "./dom.js";
import { model, learn, refresh, nameOf, isAdmin, titleOf, meetAgain } from "./model.js";
import { newCID } from "./client.js";
import { showDialog, form, input, peoplePicker, ask } from "./dialogs.js";
import { showMenu } from "./menu.js";
import { convAvatar, personAvatar } from "./avatar.js";
import { copy } from "./actions.js";
import { showPerson } from "./person.js";
import { plural } from "./text.js";
import { choosePicture } from "./picture.js";
import { leave } from "./convmenu.js";

const path = (c) => "/v1/conversations/" + c.id;

/** Asks for a title and members; open(id) shows the new group. */
export function newGroup(open) {
  const picker = peoplePicker();
  const cid = newCID(); // the same for each try: there will be one group
  const { close } = showDialog("New group", form([
    input("Title", "title", { required: true, maxLength: 100 }), el("h3", { textContent: "Members" }), picker.node,
  ], "Create the group", async ({ title }) => {
    const c = await model.client.post("/v1/conversations", { kind: "group", cid, title: title.value.trim(), members: picker.value() });
    learn(c);
    close();
    open(c.id);
  }));
}

export async function showGroup(c) {
  const list = el("ul", { className: "people" });
  const count = el("h3");
  const admin = !c.left && isAdmin(c);
  const { box } = showDialog("Group info",
    el("div", { className: "profile" }, convAvatar(c), el("strong", { textContent: titleOf(c), dir: "auto" })),
    admin && el("div", { className: "buttons" },
      el("button", { type: "button", on: { click: () => rename(c, box) } }, icon("edit"), "Title"),
      el("button", { type: "button", on: { click: () => picture(c, box) } }, icon("image"), "Picture"),
      c.avatar && el("button", { type: "button", on: { click: () => attempt(async () => { await model.client.patch(path(c), { avatar: "" }); box.close(); }) } }, icon("trash"), "Remove picture"),
      el("button", { type: "button", on: { click: () => add(c, box) } }, icon("person"), "Add members"),
      el("button", { type: "button", on: { click: () => invite(c) } }, icon("link"), "Invite link")),
    count, list,
    !c.left && el("div", { className: "buttons" },
      el("button", { type: "button", className: "danger", on: { click: async () => { if (await leave(c)) box.close(); } } }, icon("out"), "Leave the group")));
  const draw = async () => {
    const members = await readMembers(c);
    meetAgain(members.map((m) => m.username));
    count.textContent = plural(members.length, "member");
    list.replaceChildren(...members.map((m) => member(c, m, admin, draw)));
  };
  await attempt(draw);
}

async function readMembers(c) {
  const all = [];
  for (let after = ""; ;) {
    const page = await model.client.get(`${path(c)}/members?limit=200&after=${encodeURIComponent(after)}`);
    all.push(...page.members);
    if (!(after = page.next)) return all;
  }
}

function member(c, m, admin, draw) {
  const self = m.username === model.me.username;
  const at = `${path(c)}/members/${m.username}`;
  const change = (fn) => attempt(async () => { await fn(); await refresh(c.id); await draw(); });
  const items = [
    !self && { icon: "person", label: "Contact info", run: () => showPerson(m.username) },
    admin && !self && m.role === "member" && { icon: "plus", label: "Make admin", run: () => change(() => model.client.put(at, { role: "admin" })) },
    admin && !self && m.role === "admin" && { icon: "down", label: "No longer admin", run: () => change(() => model.client.put(at, { role: "member" })) },
    admin && !self && m.role !== "owner" && { icon: "out", label: "Remove from the group", danger: true, run: async () => {
      if (await ask(`Remove ${nameOf(m.username)}?`, "Remove")) change(() => model.client.delete(at));
    } },
  ].filter(Boolean);
  return el("li", {}, personAvatar(m.username), el("span", {}, nameOf(m.username), el("small", { textContent: "@" + m.username })),
    m.role !== "member" && el("em", { textContent: m.role }),
    items.length > 0 && iconButton("more", "Actions for " + nameOf(m.username), (e) => showMenu(e.currentTarget, items)));
}

function rename(c, outer) {
  const { close } = showDialog("Group title", form([input("Title", "title", { value: c.title, required: true, maxLength: 100 })], "Save", async ({ title }) => {
    await model.client.patch(path(c), { title: title.value.trim() });
    close();
    outer.close();
  }));
}

const picture = (c, outer) => choosePicture((id) => attempt(async () => {
  await model.client.patch(path(c), { avatar: id });
  outer.close();
}));

function add(c, outer) {
  const picker = peoplePicker(c.members);
  const { close } = showDialog("Add members", form([picker.node], "Add", async () => {
    if (picker.value().length === 0) throw new Error("choose at least one person");
    for (const u of picker.value()) await model.client.put(`${path(c)}/members/${u}`, { role: "member" });
    close();
    outer.close();
  }));
}

async function invite(c) {
  await attempt(async () => {
    const { code } = await model.client.post(path(c) + "/invite");
    const link = location.origin + location.pathname + "#join=" + encodeURIComponent(code);
    const { close } = showDialog("Invite link",
      el("p", { textContent: "Whoever has an account here and follows this link joins the group." }),
      el("input", { readOnly: true, value: link, aria: { label: "Invite link" }, on: { focus: (e) => e.target.select() } }),
      el("div", { className: "buttons" },
        el("button", { type: "button", className: "primary", textContent: "Copy", on: { click: () => copy(link) } }),
        el("button", { type: "button", className: "danger", textContent: "Make it invalid", on: { click: () => attempt(async () => {
          await model.client.delete(path(c) + "/invite");
          close();
          toast("The link no longer works.");
        }) } })));
  });
}

/** Shows the group of an invite link and joins it. */
export async function joinBy(code, open) {
  await attempt(async () => {
    const at = "/v1/invites/" + encodeURIComponent(code);
    const g = await model.client.get(at).catch((err) => {
      throw err.status === 404 ? new Error("this invite link is no longer valid") : err;
    });
    if (!await ask(`Join “${g.title}”?`, "Join", plural(g.members_count, "member"))) return;
    const c = await model.client.post(at);
    learn(c);
    open(c.id);
  });
}
