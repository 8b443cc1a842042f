// Attachments: pictures, videos and recordings in the message, all else as a
// link; and a picture at full size.

import { $, el, icon, iconButton } from "./dom.js";
import { size } from "./text.js";

const WIDTH = 320; // of a picture in a message, in pixels; the style narrows it
const HEIGHT = 340;

/**
 * The address of a blob at the server that this page came from: it may tell the
 * one for the world, which the page may not show pictures of.
 */
export const here = (url) => url.slice(Math.max(0, url.indexOf("/v1/blobs/")));

export function attachments(m, t) {
  const pictures = m.attachments.filter((a) => a.type.startsWith("image/"));
  const rest = m.attachments.filter((a) => !a.type.startsWith("image/"));
  return el("div", { className: "attachments" },
    pictures.length > 0 && el("div", { className: pictures.length > 1 ? "pictures many" : "pictures" }, ...pictures.map((a) => picture(a, m, t, pictures.length))),
    ...rest.map((a) => other(a)));
}

function picture(a, m, t, of) {
  const img = el("img", { src: here(a.url), alt: a.name, loading: "lazy", on: { error: () => t.renew(m.seq) } });
  if (of === 1 && a.width && a.height) {
    const scale = Math.min(1, WIDTH / a.width, HEIGHT / a.height);
    img.width = Math.max(60, Math.round(a.width * scale));
    img.height = Math.max(40, Math.round(a.height * scale));
  }
  return el("button", { type: "button", className: "picture", tabIndex: -1, aria: { label: "Open the picture " + a.name }, on: { click: () => show(a, t) } }, img);
}

function other(a) {
  if (a.type.startsWith("audio/")) return el("audio", { src: here(a.url), controls: true, preload: "none", aria: { label: a.name } });
  if (a.type.startsWith("video/")) return el("video", { src: here(a.url), controls: true, preload: "metadata", aria: { label: a.name } });
  return el("a", { className: "file", href: here(a.url), download: a.name }, icon("file"),
    el("span", {}, el("strong", { textContent: a.name, dir: "auto" }), el("small", { textContent: size(a.size) })));
}

// A picture at full size; arrows go to the others of the conversation.
function show(a, t) {
  const box = $("picture");
  const all = t.items.filter((m) => !m.deleted).flatMap((m) => m.attachments ?? []).filter((o) => o.type.startsWith("image/"));
  const at = all.findIndex((o) => o.url === a.url);
  const step = (n, sign, className, label) => all[at + n] && iconButton(sign, label, () => show(all[at + n], t), { className: "step " + className });
  box.replaceChildren(
    el("form", { method: "dialog" }, el("span", { textContent: a.name, dir: "auto" }),
      el("a", { href: here(a.url), download: a.name, className: "button", textContent: "Download" }),
      el("button", { textContent: "Close" })),
    el("img", { src: here(a.url), alt: a.name }),
    ...[step(-1, "back", "before", "The picture before"), step(1, "next", "after", "The next picture")].filter(Boolean));
  box.onkeydown = (e) => box.querySelector({ ArrowLeft: ".step.before", ArrowRight: ".step.after" }[e.key] ?? "none")?.click();
  box.onclick = (e) => { if (e.target === box) box.close(); };
  if (!box.open) box.showModal();
}

/** What is shown of a file before it is sent. Call done when it is no longer shown. */
export function preview(file) {
  if (!file.type.startsWith("image/")) return { node: icon("file"), done() {} };
  const url = URL.createObjectURL(file);
  return { node: el("img", { src: url, alt: "" }), done: () => URL.revokeObjectURL(url) };
}
