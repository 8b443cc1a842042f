// One message, made visible.

import { el, icon, iconButton } from "./dom.js";
import { model, nameOf, isNotes } from "./model.js";
import { clock, hue, rich, summary } from "./text.js";
import { attachments } from "./media.js";
import { marksOf } from "./marks.js";

const TOLD = 64; // members of a conversation in which marks are told to all

/**
 * What happened to one's own message: {icon, title, read}. null where the marks
 * of the others are not known.
 */
export function tick(m, c) {
  if (m.error) return { icon: "alert", title: "not sent" };
  if (m.seq === undefined) return { icon: "clock", title: m.waits ? "waiting: " + m.waits : "waiting" };
  if (isNotes(c)) return { icon: "checks", title: "read", read: true };
  if (c.members_count > TOLD) return { icon: "check", title: "sent" };
  const marks = marksOf(c.id);
  if (marks.size === 0) return c.left ? { icon: "check", title: "sent" } : null;
  const others = [...marks].filter(([name]) => name !== model.me.username).map(([, mark]) => mark);
  if (others.length && others.every((o) => o.read >= m.seq)) return { icon: "checks", title: "read", read: true };
  if (others.length && others.every((o) => o.recv >= m.seq)) return { icon: "checks", title: "delivered" };
  return { icon: "check", title: "sent" };
}

export const isMine = (m) => m.seq === undefined || m.from === model.me.username;

/**
 * The row of a message for reconcile. context: c, t, first (of a run of one
 * person's), names of members, act(m, near) opens the actions, jump(seq),
 * react(m, emoji).
 */
export function bubble(m, context) {
  const { c, t, first } = context;
  const mine = isMine(m);
  const state = mine && !m.deleted ? tick(m, c) : null;
  const quoted = m.reply_to && !m.deleted ? t.quote(m.reply_to) : null;
  const sender = !mine && c.kind === "group" && first ? nameOf(m.from) : "";
  const mark = JSON.stringify([m.text, m.deleted, m.edited_at, m.error, m.seq, state, sender, first, m.reactions,
    quoted && [quoted.from && nameOf(quoted.from), summary(quoted)], m.attachments?.map((a) => a.url), t.flash === m.seq]);
  const make = () => {
    const who = mine ? "You" : nameOf(m.from);
    const li = el("li", {
      className: ["msg", mine && "mine", first && "first", m.error && "failed", m.deleted && "gone", t.flash === m.seq && "flash"].filter(Boolean).join(" "),
      tabIndex: -1, data: m.seq === undefined ? {} : { seq: m.seq },
      aria: { label: label(m, who, state) },
    },
      sender && el("strong", { className: "from", textContent: sender, dir: "auto" }),
      quoted && quote(quoted, m.reply_to, context),
      !m.deleted && m.attachments?.length > 0 && attachments(m, t),
      body(m, context.names, state),
      foot(m, state),
      !m.deleted && m.reactions?.length > 0 && reactions(m, context),
      m.error ? failed(m) : m.seq !== undefined && iconButton("down", "Actions for this message", (e) => context.act(m, e.currentTarget, li), { className: "plain act", tabIndex: -1 }));
    li.querySelector(".from")?.style.setProperty("--hue", hue(m.from));
    return li;
  };
  return { key: m.cid ? `${m.from ?? model.me.username}/${m.cid}` : "seq " + m.seq, mark, make };
}

const label = (m, who, state) => [who, summary(m), clock(m.at), m.edited_at && "edited", state?.title,
  ...(m.reactions ?? []).map((r) => `${r.emoji} ${r.count}`)].filter(Boolean).join(", ");

function body(m, names, state) {
  if (m.deleted) return el("p", { className: "body" }, icon("block"), m.from === model.me.username ? " You deleted this message" : " This message was deleted");
  if (!m.text) return null;
  const short = /^(\p{Extended_Pictographic}(\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*){1,3}$/u.test(m.text);
  // The style keeps the end of the last line free for the foot.
  const room = [m.edited_at && "edited", clock(m.at), state && "✓✓"].filter(Boolean).join(" ");
  return el("p", { className: short ? "body large" : "body", dir: "auto", data: { room } }, ...rich(m.text, (name) => names.has(name), model.me.username));
}

function foot(m, state) {
  const sign = state && icon(state.icon, state.title);
  sign?.classList.add("tick");
  if (state?.read) sign.classList.add("read");
  return el("footer", {}, m.edited_at && !m.deleted && el("span", { textContent: "edited" }), el("time", { textContent: clock(m.at), dateTime: m.at }), sign);
}

function failed(m) {
  return el("div", { className: "retry", role: "alert" }, el("span", { textContent: "Not sent: " + m.error }),
    el("button", { type: "button", textContent: "Try again", on: { click: () => model.client.retry(m.cid) } }),
    el("button", { type: "button", textContent: "Discard", on: { click: () => model.client.discard(m.cid) } }));
}

function quote(q, seq, { jump }) {
  const b = el("button", { type: "button", className: "quote", tabIndex: -1, aria: { label: "Go to the message this answers" }, on: { click: () => jump(seq) } },
    el("strong", { textContent: q.from ? nameOf(q.from) : "" }), el("span", { textContent: summary(q) || "…", dir: "auto" }));
  b.style.setProperty("--hue", hue(q.from ?? ""));
  return b;
}

function reactions(m, { react }) {
  return el("div", { className: "reactions" }, ...m.reactions.map((r) => el("button", {
    type: "button", tabIndex: -1, className: r.mine ? "mine" : "", title: r.users.map(nameOf).join(", "),
    aria: { label: `${r.emoji}, ${r.count}: ${r.users.map(nameOf).join(", ")}`, pressed: String(r.mine) },
    on: { click: () => react(m, r.emoji) },
  }, r.emoji, r.count > 1 && el("span", { textContent: r.count }))));
}

/** A line between messages: who came and went, and what the group is called. */
export function notice(ev) {
  const text = noticeText(ev);
  return { key: "notice " + ev.seq, mark: text, make: () => el("li", { className: "notice", textContent: text, dir: "auto" }) };
}

function noticeText({ action, user, from, role, title }) {
  const by = nameOf(from), who = nameOf(user), self = user === from;
  const object = user === model.me.username ? "you" : who;
  switch (action) {
    case "title": return `${by} changed the title to “${title}”`;
    case "avatar": return `${by} changed the picture`;
    case "added": return self ? `${who} joined` : `${by} added ${object}`;
    case "left": return `${who} left`;
    case "removed": return self ? `${who} left` : `${by} removed ${object}`;
    default: return role === "member" ? `${who} ${user === model.me.username ? "are" : "is"} no admin any more` : `${who} ${user === model.me.username ? "are" : "is"} now ${role === "admin" ? "an admin" : "the " + role}`;
  }
}
