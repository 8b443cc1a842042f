// Making elements. Text goes into the page as text, never as markup.

export const $ = (id) => document.getElementById(id);

/**
 * el("button", {className: "x", on: {click: fn}, aria: {label: "Send"}}, "Send")
 * Children that are null, undefined or false are left out.
 */
export function el(tag, { on, aria, data, ...props } = {}, ...children) {
  const e = Object.assign(document.createElement(tag), props);
  for (const [name, fn] of Object.entries(on ?? {})) e.addEventListener(name, fn);
  for (const [name, value] of Object.entries(aria ?? {})) if (value !== undefined) e.setAttribute("aria-" + name, value);
  Object.assign(e.dataset, data);
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

// What is drawn in a box of 24 by 24, with strokes.
const PATHS = {
  send: "M4 12 20 4l-5 16-4-7z",
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  retry: "M19 12a7 7 0 1 1-2-5M19 4v4h-4",
  more: "M12 5.500v.01M12 12v.01M12 18.500v.01",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l5 5",
  close: "M6 6l12 12M18 6 6 18",
  reply: "M10 6 4 12l6 6M4 12h10a6 6 0 0 1 6 6v1",
  forward: "M14 6l6 6-6 6M20 12H10a6 6 0 0 0-6 6v1",
  edit: "M4 20l1-5L16 4l4 4L9 19z",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v6M12 7.500v.01",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 14c2 3 6 3 8 0M9 9.500v.01M15 9.500v.01",
  clip: "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.500 3.500 0 0 1 5 5l-8 8a2 2 0 0 1-3-3l7-7",
  check: "M5 12.500l4.500 4.500L19 7",
  checks: "M2 12.500l4.500 4.500L15 8M12 16l1 1L22 7",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2",
  alert: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v6M12 16.500v.01",
  mute: "M6 16V11a6 6 0 0 1 9-5M18 11v5h2M4 16h10M10 19a2 2 0 0 0 4 0M4 4l16 16",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 1H4zM10 20a2 2 0 0 0 4 0",
  archive: "M3 5h18v4H3zM5 9v10h14V9M10 13h4",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  group: "M9 5a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM2.500 20a6.500 6.500 0 0 1 13 0M16 5.500a3 3 0 0 1 0 6M17.500 14.500a6 6 0 0 1 4 5.500",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 5M15.500 9v.01",
  person: "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM5 20a7 7 0 0 1 14 0",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  down: "M6 9l6 6 6-6",
  file: "M6 3h8l5 5v13H6zM14 3v5h5",
  gear: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM8 15a2 2 0 1 0 0 4 2 2 0 0 0 0-4z",
  out: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  block: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM6 6l12 12",
  unread: "M4 6h16v11H9l-5 4zM12 9.500v4",
};
const SVG = "http://www.w3.org/2000/svg";

/** An icon; with a title it says something, without it decorates. */
export function icon(name, title = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.classList.add("icon", "icon-" + name);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  if (title) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", title);
    const t = document.createElementNS(SVG, "title");
    t.textContent = title;
    svg.append(t);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  svg.append(path);
  return svg;
}

/** A button that shows an icon only. */
export const iconButton = (name, label, click, props = {}) =>
  el("button", { type: "button", className: "plain", title: label, ...props, aria: { label }, on: { click } }, icon(name));

/** What lies on top: the last dialog, or the page. What is put elsewhere is behind it. */
export const onTop = () => [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;

/** A small note that goes away by itself. */
export function toast(text) {
  const note = el("p", { textContent: text });
  onTop().append($("toasts"));
  $("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

/** Runs something and says what went wrong, if it did. Resolves with whether it went well. */
export async function attempt(fn) {
  try {
    await fn();
    return true;
  } catch (err) {
    toast(sentence(err.message));
    return false;
  }
}

export const sentence = (s) => s.charAt(0).toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? "" : ".");

/** Says something to who listens to the page instead of looking at it. */
export function announce(text) {
  const box = $("live");
  box.append(el("p", { textContent: text }));
  while (box.childElementCount > 5) box.firstElementChild.remove();
}

/**
 * Makes the children of box those of rows, [{key, mark, make}]: an element is
 * made anew only where its mark changed, and moved only where its place did.
 */
export function reconcile(box, rows) {
  const old = new Map([...box.children].map((e) => [e.dataset.key, e]));
  let at = box.firstElementChild;
  for (const { key, mark, make } of rows) {
    let e = old.get(key);
    old.delete(key);
    if (!e || e.dataset.mark !== mark) {
      const fresh = make();
      fresh.dataset.key = key;
      fresh.dataset.mark = mark;
      if (e) {
        const focused = e.contains(document.activeElement);
        if (e === at) at = fresh;
        e.replaceWith(fresh);
        if (focused) (fresh.matches("[tabindex]") ? fresh : fresh.querySelector("button, [tabindex]"))?.focus();
      }
      e = fresh;
    }
    if (e === at) at = at.nextElementSibling;
    else box.insertBefore(e, at);
  }
  for (const e of old.values()) e.remove();
}

/**
 * A row of box that is drawn anew between press and release gets its click even
 * so: the browser gives it to the box then.
 */
export function keepClicks(box) {
  const keyAt = (e) => document.elementFromPoint(e.clientX, e.clientY)?.closest("[data-key]")?.dataset.key;
  let pressed;
  box.addEventListener("pointerdown", (e) => { pressed = keyAt(e); });
  box.addEventListener("click", (e) => {
    if (e.target !== box || !pressed || keyAt(e) !== pressed) return;
    document.elementFromPoint(e.clientX, e.clientY).closest("button, a")?.click();
  });
}
