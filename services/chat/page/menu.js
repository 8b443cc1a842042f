// A menu that opens at a place, and closes by itself.

import { el, icon, onTop } from "./dom.js";

let open = null; // {box, from}

/**
 * Shows items, [{icon, label, run, danger}], near an element or a point {x, y}.
 * head is an element above them.
 */
export function showMenu(near, items, { head = null, label = "Actions" } = {}) {
  closeMenu();
  const box = el("div", { className: "menu", role: "menu", tabIndex: -1, aria: { label } }, head,
    ...items.filter(Boolean).map((item) => el("button", {
      type: "button", role: "menuitem", className: item.danger ? "danger" : "",
      on: { click: () => { closeMenu(); item.run(); } },
    }, icon(item.icon), item.label)));
  open = { box, from: document.activeElement };
  onTop().append(box);
  place(box, near);
  box.addEventListener("keydown", keys);
  box.addEventListener("focusout", (e) => { if (e.relatedTarget && !box.contains(e.relatedTarget)) closeMenu(); });
  (box.querySelector("[role=menuitem]") ?? box).focus();
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

function keys(e) {
  const buttons = [...e.currentTarget.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[e.key];
  if (step) buttons.at((at + step) % buttons.length).focus();
  else if (e.key === "Escape" || e.key === "Tab") closeMenu();
  else return;
  e.preventDefault();
  e.stopPropagation();
}
