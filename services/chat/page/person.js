// What is known of somebody.

import { el } from "./dom.js";
import { model, nameOf, meetAgain } from "./model.js";
import { showDialog } from "./dialogs.js";
import { convAvatar, personAvatar } from "./avatar.js";
import { moment } from "./text.js";
import { block } from "./convmenu.js";

export function showPerson(username) {
  const p = model.people.get(username) ?? { username, name: "", about: "" };
  const seen = model.presence.get(username);
  meetAgain([username]);
  const groups = [...model.convs.values()].filter((c) => c.kind === "group" && !c.left && c.members.includes(username));
  const { close } = showDialog("Contact info",
    el("div", { className: "profile" }, personAvatar(username), el("strong", { textContent: p.name || username, dir: "auto" }), el("small", { textContent: "@" + username })),
    p.about && el("p", { className: "about", textContent: p.about, dir: "auto" }),
    seen && el("p", { className: "hint", textContent: seen.online ? "Online" : seen.last_seen ? "Last seen " + moment(seen.last_seen) : "" }),
    groups.length > 0 && el("section", {}, el("h3", { textContent: "Groups in common" }),
      el("ul", { className: "people" }, ...groups.map((c) => el("li", {}, convAvatar(c), el("span", { textContent: c.title, dir: "auto" }))))),
    el("div", { className: "buttons" },
      el("button", { type: "button", textContent: "Message", on: { click: () => { close(); dispatchEvent(new CustomEvent("chat:direct", { detail: username })); } } }),
      el("button", { type: "button", className: "danger", textContent: (model.blocked.has(username) ? "Unblock " : "Block ") + nameOf(username), on: { click: () => { close(); block(username); } } })));
}
