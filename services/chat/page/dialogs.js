// Dialogs: made when they are needed, gone when they are closed. Escape, focus
// and what lies behind are the browser's business.

import { $, el, iconButton, sentence } from "./dom.js";
import { model, inOrder, titleOf, peerOf } from "./model.js";
import { convAvatar, personAvatar } from "./avatar.js";

let count = 0;

/** Shows a dialog; returns {box, close()}. */
export function showDialog(title, ...children) {
  const id = "dialog-" + ++count;
  const box = el("dialog", { aria: { labelledby: id } });
  const close = () => box.close();
  box.append(el("header", {}, el("h2", { id, textContent: title }), iconButton("close", "Close", close)),
    el("div", { className: "inside" }, ...children.filter(Boolean)));
  box.addEventListener("close", () => {
    if (box.contains($("toasts"))) document.body.append($("toasts"));
    box.remove();
  });
  box.addEventListener("pointerdown", (e) => { if (e.target === box) close(); }); // beside it
  document.body.append(box);
  box.showModal();
  return { box, close };
}

/** Asks; resolves with true where the answer is yes. */
export function ask(question, yes, text = "") {
  return new Promise((resolve) => {
    let answer = false;
    const { box, close } = showDialog(question, text && el("p", { textContent: text }),
      el("div", { className: "buttons" }, el("button", { type: "button", textContent: "Cancel", on: { click: () => close() } }),
        el("button", { type: "button", className: "primary danger", textContent: yes, on: { click: () => { answer = true; close(); } } })));
    box.addEventListener("close", () => resolve(answer));
    box.querySelector(".buttons button").focus();
  });
}

/**
 * A form whose button runs submit(elements); what it throws is shown in the
 * form.
 */
export function form(children, button, submit) {
  const problem = el("p", { className: "error", role: "alert" });
  const press = el("button", { className: "primary", textContent: button });
  const f = el("form", { className: "stack" }, ...children, problem, press);
  f.addEventListener("submit", async (e) => {
    e.preventDefault();
    problem.textContent = "";
    press.disabled = true;
    try {
      await submit(f.elements);
    } catch (err) {
      problem.textContent = sentence(err.message);
    } finally {
      press.disabled = false;
    }
  });
  return f;
}

export const input = (label, name, props = {}) => el("label", {}, label, el("input", { name, autocomplete: "off", ...props }));

const choice = (value, picture, title, small) => el("label", { className: "choice", data: { find: (title + " " + small).toLowerCase() } },
  el("input", { type: "checkbox", name: "chosen", value }), picture, el("span", {}, el("bdi", { textContent: title }), small && el("small", { textContent: small })));

/** Lets one choose conversations; resolves with their ids, none where one did not. */
export function chooseConversations(title) {
  return new Promise((resolve) => {
    let chosen = [];
    const list = el("div", { className: "choices" }, ...inOrder().filter((c) => !c.left && !(c.kind === "direct" && model.blocked.has(peerOf(c)))).map((c) => choice(c.id, convAvatar(c), titleOf(c), "")));
    const f = form([filter(list), list], "Send", (fields) => {
      chosen = [...f.querySelectorAll("input:checked")].map((i) => i.value);
      if (chosen.length === 0) throw new Error("choose at least one chat");
      close();
    });
    const { box, close } = showDialog(title, f);
    box.addEventListener("close", () => resolve(chosen));
  });
}

function filter(list) {
  return el("input", { type: "search", placeholder: "Search", aria: { label: "Search" }, on: { input: (e) => {
    const q = e.target.value.trim().toLowerCase();
    for (const l of list.children) l.hidden = !l.dataset.find.includes(q) && !l.querySelector("input").checked;
  } } });
}

/** A field to choose people with; value() gives their usernames. without are not offered. */
export function peoplePicker(without = []) {
  const picked = new Set();
  const list = el("div", { className: "choices" });
  const draw = (users) => list.replaceChildren(...users.filter((u) => !without.includes(u.username)).map((u) => {
    const c = choice(u.username, personAvatar(u.username), u.name || u.username, "@" + u.username);
    const box = c.querySelector("input");
    box.checked = picked.has(u.username);
    box.addEventListener("change", () => { box.checked ? picked.add(u.username) : picked.delete(u.username); count(); });
    return c;
  }));
  const told = el("small", { role: "status" });
  const count = () => { told.textContent = picked.size ? [...picked].map((u) => model.people.get(u)?.name || u).join(", ") : ""; };
  const known = () => inOrder().filter((c) => c.kind === "direct").flatMap((c) => c.members)
    .filter((u, i, all) => u !== model.me.username && all.indexOf(u) === i).map((u) => model.people.get(u) ?? { username: u, name: "" });
  let timer = 0;
  const search = el("input", { type: "search", placeholder: "Name or username", aria: { label: "Search people" }, on: { input: () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const q = search.value.trim().replace(/^@/, "");
      if (!q) return draw(known());
      const { users } = await model.client.get("/v1/users?limit=20&q=" + encodeURIComponent(q)).catch(() => ({ users: [] }));
      for (const u of users) model.people.set(u.username, u);
      draw(users.filter((u) => u.username !== model.me.username));
    }, 200);
  }, keydown: (e) => { if (e.key === "Enter") { e.preventDefault(); list.querySelector("input")?.click(); } } } });
  draw(known());
  return { node: el("div", { className: "stack" }, search, told, list), value: () => [...picked] };
}
