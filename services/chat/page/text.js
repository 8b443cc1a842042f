// How things are written: times, sizes, and what is clickable in a text.

import { el } from "./dom.js";

const locale = navigator.language;
const sameDay = (a, b) => a.toDateString() === b.toDateString();
const yesterday = () => new Date(Date.now() - 86_400_000);

export const clock = (at) => new Date(at).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });

/** For a list: the time today, the day before that. */
export function shortTime(at) {
  const d = new Date(at);
  if (sameDay(d, new Date())) return clock(at);
  if (sameDay(d, yesterday())) return "Yesterday";
  const year = d.getFullYear() === new Date().getFullYear() ? undefined : "2-digit";
  return d.toLocaleDateString(locale, { day: "numeric", month: "short", year });
}

/** For the line between two days. */
export function day(at) {
  const d = new Date(at);
  if (sameDay(d, new Date())) return "Today";
  if (sameDay(d, yesterday())) return "Yesterday";
  const year = d.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return d.toLocaleDateString(locale, { weekday: "long", day: "numeric", month: "long", year });
}

/** "today at 10:04", for sentences. */
export function moment(at) {
  const d = new Date(at);
  if (sameDay(d, new Date())) return "today at " + clock(at);
  if (sameDay(d, yesterday())) return "yesterday at " + clock(at);
  return d.toLocaleDateString(locale, { day: "numeric", month: "long" }) + " at " + clock(at);
}

export function size(bytes) {
  if (bytes < 1024) return bytes + " B";
  if (bytes < 1 << 20) return Math.round(bytes / 1024) + " KB";
  return (bytes / (1 << 20)).toFixed(1) + " MB";
}

export const initial = (s) => ([...s.trim()][0] ?? "?").toUpperCase();

/** A number from 0 to 359 that is always the same for the same name. */
export function hue(name) {
  let n = 7;
  for (const c of name) n = (n * 31 + c.codePointAt(0)) % 3600;
  return n % 360;
}

export const plural = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;

const FOUND = /https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]']|(?<![\w.@])@[a-z0-9](?:[a-z0-9_.]{0,28}[a-z0-9])?/gi;

/** The nodes of a text: web addresses are links, names of people stand out. */
export function rich(text, isPerson = () => false, me = "") {
  const nodes = [];
  let at = 0;
  for (const m of text.matchAll(FOUND)) {
    const [found] = m;
    const name = found.slice(1).toLowerCase();
    let node;
    if (found[0] !== "@") node = el("a", { href: found, textContent: found, target: "_blank", rel: "noopener noreferrer" });
    else if (isPerson(name)) node = el("span", { className: name === me ? "mention self" : "mention", textContent: found });
    else continue;
    nodes.push(text.slice(at, m.index), node);
    at = m.index + found.length;
  }
  nodes.push(text.slice(at));
  return nodes;
}

export const mentions = (text, name) => new RegExp(`(?<![\\w.@])@${name.replaceAll(".", "\\.")}(?![\\w])`, "i").test(text ?? "");

/** What a message is in one line. */
export function summary(m) {
  if (m.deleted) return "Message deleted";
  if (m.text) return m.text;
  const files = m.attachments ?? [];
  if (files.length === 0) return "";
  const kind = files.every((f) => f.type.startsWith("image/")) ? "picture"
    : files.every((f) => f.type.startsWith("video/")) ? "video"
    : files.every((f) => f.type.startsWith("audio/")) ? "recording" : "file";
  return files.length > 1 ? plural(files.length, kind) : kind === "file" ? files[0].name : kind[0].toUpperCase() + kind.slice(1);
}
