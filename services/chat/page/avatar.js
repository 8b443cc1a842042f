// The round picture of a person or a group: a letter in a colour of its own
// where there is no picture.

import { el, icon } from "./dom.js";
import { model, peerOf, titleOf, meetAgain } from "./model.js";
import { hue, initial } from "./text.js";
import { here } from "./media.js";

export function personAvatar(username) {
  const p = model.people.get(username);
  return avatar(initial(p?.name || username), username, p?.avatar_url, () => meetAgain([username])); // its address expires
}

export function convAvatar(c) {
  if (c.kind === "direct") {
    const box = personAvatar(peerOf(c));
    if (model.presence.get(peerOf(c))?.online) box.append(el("span", { className: "dot", title: "online" }));
    return box;
  }
  return c.avatar_url ? avatar("", c.id, c.avatar_url) : avatar(icon("group"), c.id + titleOf(c));
}

/** What has to change for the avatar to be drawn anew. */
export const avatarMark = (c) => c.kind === "direct"
  ? [model.people.get(peerOf(c))?.avatar_url, model.presence.get(peerOf(c))?.online] : [c.avatar_url];

function avatar(inside, name, url, again) {
  const box = el("span", { className: "avatar", aria: { hidden: "true" } });
  box.style.setProperty("--hue", hue(name));
  if (url) box.append(el("img", { src: here(url), alt: "", on: { error: (e) => { e.target.replaceWith(inside || initial(name)); again?.(); } } }));
  else box.append(inside);
  return box;
}
