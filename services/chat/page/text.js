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

const LINK = /(?:https?:\/\/|www\.)[^\s<>"]+/gi;
const NAME = /(?<![\w.@])@[a-z0-9](?:[a-z0-9_.]{0,28}[a-z0-9])?/gi;
// What stands between two signs at the edges of words; code first, since nothing in it counts.
const STYLES = [
  ["code", /```\n?([^]+?)\n?```\n?|`([^`\n]+)`/g],
  ["strong", /(?<![\p{L}\p{N}*])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\p{L}\p{N}*])/gu],
  ["em", /(?<![\p{L}\p{N}_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\p{L}\p{N}_])/gu],
  ["s", /(?<![\p{L}\p{N}~])~(?!\s)([^~\n]+?)(?<!\s)~(?![\p{L}\p{N}~])/gu],
];

// Splits text at what a pattern finds: make(match) is the node for it, null leaves it.
function split(text, pattern, make, rest) {
  const nodes = [];
  let at = 0;
  for (const m of text.matchAll(pattern)) {
    const node = make(m);
    if (!node) continue;
    nodes.push(...rest(text.slice(at, m.index)), node);
    at = m.index + (pattern === LINK ? node.textContent.length : m[0].length); // a link may be shorter than what was found
  }
  return [...nodes, ...rest(text.slice(at))];
}

/**
 * The nodes of a text: web addresses are links, names of people stand out, and
 * *bold*, _italic_, ~struck~ and `code` are what they are elsewhere.
 */
export function rich(text, isPerson = () => false, me = "") {
  const person = ([found]) => {
    const name = found.slice(1).toLowerCase();
    return isPerson(name) && el("span", { className: name === me ? "mention self" : "mention", textContent: found });
  };
  const named = (t) => split(t, NAME, person, (s) => (s ? [s] : []));
  const styled = (styles) => (t) => {
    if (styles.length === 0) return named(t);
    const [[tag, pattern], ...more] = styles;
    return split(t, pattern, (m) => el(tag, {}, ...styled(more)(m[1] ?? m[2])), styled(more));
  };
  const code = ([tag, pattern]) => (t) => split(t, pattern, (m) => el(tag, { textContent: m[1] ?? m[2], className: m[1] ? "block" : "" }), linked);
  const linked = (t) => split(t, LINK, link, styled(STYLES.slice(1)));
  return code(STYLES[0])(text);
}

// A link ends before the signs that end a sentence, and before a bracket that
// was opened in front of it.
function link([found]) {
  let end = found.length;
  for (; end > 0; end--) {
    const last = found[end - 1], part = found.slice(0, end);
    const closes = last === ")" && part.split(")").length > part.split("(").length;
    if (!closes && !/[.,;:!?'\]*_~]/.test(last)) break;
  }
  const url = found.slice(0, end);
  if (!/^(https?:\/\/|www\.)[^./]/i.test(url)) return null;
  return el("a", { href: /^www/i.test(url) ? "https://" + url : url, textContent: url, target: "_blank", rel: "noopener noreferrer nofollow" });
}

/** A text with the words of q marked, from a little before the first one on. */
export function marked(text, q) {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean).map((w) => w.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (words.length === 0) return [text];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join("|")})`, "giu");
  const first = text.search(pattern);
  const from = first > 30 ? first - 20 : 0;
  const shown = (from ? "…" : "") + text.slice(from).replace(/\s+/g, " ");
  return split(shown, pattern, ([found]) => el("mark", { textContent: found }), (s) => (s ? [s] : []));
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
