// A menu that opens at a place, and closes by itself.

import { el, icon, onTop } from "./dom.js";

let open = null; // {box, from}

/**
 * Shows items, [{icon, label, run, danger}], near an element or a point {x, y}.
 * head is an element above them.
 */
export function showMenu(near, items, { head = null, label = "Actions" } = {}) {
  closeMenu();
  const all = items.filter(Boolean);
  const box = el("div", { className: "menu", role: all.length ? "menu" : "dialog", tabIndex: -1, aria: { label } }, head,
    ...all.map((item) => el("button", {
      type: "button", role: "menuitem", className: item.danger ? "danger" : "",
      on: { click: () => { closeMenu(); item.run(); } },
    }, icon(item.icon), item.label)));
  open = { box, from: document.activeElement };
  onTop().append(box);
  place(box, near);
  box.addEventListener("keydown", keys);
  box.addEventListener("focusout", (e) => { if (e.relatedTarget && !box.contains(e.relatedTarget)) closeMenu(); });
  (box.querySelector(":scope > [role=menuitem]") ?? box.querySelector("button") ?? box).focus();
}

export function closeMenu() {
  if (!open) return;
  const { box, from } = open;
  open = null;
  const inside = box.contains(document.activeElement);
  box.remove();
  if (inside && from?.isConnected) from.focus();
}

document.addEventListener("pointerdown", (e) => { if (open && !open.box.contains(e.target)) closeMenu(); });
addEventListener("resize", closeMenu);

function place(box, near) {
  const at = near.getBoundingClientRect?.() ?? { left: near.x, right: near.x, top: near.y, bottom: near.y };
  const { offsetWidth: w, offsetHeight: h } = box;
  const left = at.left + w + 8 < innerWidth ? at.left : at.right - w;
  const top = at.bottom + h + 8 < innerHeight ? at.bottom + 4 : at.top - h - 4;
  box.style.left = Math.max(8, Math.min(left, innerWidth - w - 8)) + "px";
  box.style.top = Math.max(8, Math.min(top, innerHeight - h - 8)) + "px";
}

const COLUMNS = 8; // of the grid of emoji

function keys(e) {
  const buttons = [...e.currentTarget.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const row = document.activeElement.closest(".emoji-row")?.childElementCount ?? 0;
  const grid = document.activeElement.closest(".emoji-grid");
  const to = {
    ArrowDown: grid ? at + COLUMNS : row ? row : at + 1, ArrowUp: grid ? at - COLUMNS : row ? -1 : at - 1,
    ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1,
  }[e.key];
  if (to !== undefined) buttons.at(to < -1 && grid ? at : to >= buttons.length ? (grid ? at : 0) : to)?.focus();
  else if (e.key === "Escape" || e.key === "Tab") closeMenu();
  else return;
  e.preventDefault();
  e.stopPropagation();
}
