// Attachments: pictures, videos and recordings in the message, all else as a
// link; and a picture at full size.

import { $, el, icon } from "./dom.js";
import { size } from "./text.js";

const WIDTH = 320; // of a picture in a message, in pixels; the style narrows it
const HEIGHT = 340;

export function attachments(m, t) {
  const pictures = m.attachments.filter((a) => a.type.startsWith("image/"));
  const rest = m.attachments.filter((a) => !a.type.startsWith("image/"));
  return el("div", { className: "attachments" },
    pictures.length > 0 && el("div", { className: pictures.length > 1 ? "pictures many" : "pictures" }, ...pictures.map((a) => picture(a, m, t, pictures.length))),
    ...rest.map((a) => other(a)));
}

function picture(a, m, t, of) {
  const img = el("img", { src: a.url, alt: a.name, loading: "lazy", on: { error: () => t.renew(m.seq) } });
  if (of === 1 && a.width && a.height) {
    const scale = Math.min(1, WIDTH / a.width, HEIGHT / a.height);
    img.width = Math.max(60, Math.round(a.width * scale));
    img.height = Math.max(40, Math.round(a.height * scale));
  }
  return el("button", { type: "button", className: "picture", tabIndex: -1, aria: { label: "Open the picture " + a.name }, on: { click: () => show(a) } }, img);
}

function other(a) {
  if (a.type.startsWith("audio/")) return el("audio", { src: a.url, controls: true, preload: "none" });
  if (a.type.startsWith("video/")) return el("video", { src: a.url, controls: true, preload: "metadata" });
  return el("a", { className: "file", href: a.url, download: a.name }, icon("file"),
    el("span", {}, el("strong", { textContent: a.name }), el("small", { textContent: size(a.size) })));
}

function show(a) {
  const box = $("picture");
  box.replaceChildren(
    el("form", { method: "dialog" }, el("span", { textContent: a.name }),
      el("a", { href: a.url, download: a.name, className: "button", textContent: "Download" }),
      el("button", { textContent: "Close" })),
    el("img", { src: a.url, alt: a.name, on: { click: () => box.close() } }));
  box.showModal();
}

/** What is shown of a file before it is sent. Call done when it is no longer shown. */
export function preview(file) {
  if (!file.type.startsWith("image/")) return { node: icon("file"), done() {} };
  const url = URL.createObjectURL(file);
  return { node: el("img", { src: url, alt: "" }), done: () => URL.revokeObjectURL(url) };
}
