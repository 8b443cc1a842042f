// The dashboard: it listens to /events while somebody looks at it, keeps the
// last five minutes, and shows them.

import { element, text } from "./dom.js";
import { age, bytes, bytesPerSecond, clock, count, none, percent, seconds } from "./format.js";
import { Chart } from "./chart.js";
import { Tables } from "./tables.js";

const span = 5 * 60e3; // milliseconds
const patience = 25e3; // without a sign of life
const kept = "portico-dashboard";

const byId = (id) => document.getElementById(id);

const kinds = [
  ["Requests a second", count, [["requests", "requests"]]],
  ["Latency", seconds, [["p50", "p50"], ["p99", "p99"]]],
  ["Errors a second", count, [["5xx", "serverErrors"], ["4xx", "clientErrors"]]],
  ["Connections", count, [["open", "connections"]]],
  ["Traffic", bytesPerSecond, [["out", "out"], ["in", "in"]]],
  ["Memory", bytes, [["memory", "memory"]]],
  ["CPU, of one core", percent, [["CPU", "cpu"]]],
  ["Requests in progress", count, [["in progress", "inFlight"]]],
];

const charts = kinds.map(([title, format, lines]) =>
  new Chart(byId("charts"), title, format, lines.map(([name, field]) => ({ name, get: (p) => p[field] })),
    format === bytes || format === bytesPerSecond));
const tables = new Tables();

let points = remembered();
let last = null; // the last view
let source = null; // the stream; null: none
let alive = 0; // the timer that waits for a sign of life
let again = 0; // the timer that connects again
let paused = false;

// point is what charts show of a view. What is not known is null.
function point(v) {
  const rate = (n) => v.seconds ? n : null;
  const t = v.total;
  return {
    t: Date.parse(v.at), pid: v.pid, connections: t.connections, memory: v.process.memory_bytes, inFlight: t.in_flight,
    requests: rate(t.requests), serverErrors: rate(t.server_errors), clientErrors: rate(t.client_errors),
    p50: t.p50_seconds ?? null, p99: t.p99_seconds ?? null, out: rate(t.bytes_out), in: rate(t.bytes_in), cpu: rate(v.process.cpu),
  };
}

function show(v) {
  last = v;
  const p = point(v);
  const before = points.at(-1);
  if (before && p.t - before.t > 15e3) points.push({ t: before.t + 1, pid: v.pid }); // nobody looked: a gap
  points.push(p);
  points = points.filter((q) => q.t > p.t - span && q.t <= p.t);
  draw();
  document.title = v.ready ? "portico" : "⚠ portico";
  text(byId("version"), v.version);
  text(byId("about"), `up ${age((p.t - Date.parse(v.started)) / 1000)}, process ${v.pid}, generation ${v.generation}`);
  say(v.ready ? "ready" : "not ready", v.ready ? "good" : "bad");
  alerts(v);
}

function draw() {
  if (!last) return;
  const to = points.at(-1).t;
  for (const c of charts) c.show(points, to - span, to);
  tables.show(last);
  if (byId("history").open) history();
}

function alerts(v) {
  const list = [];
  if (!v.ready) list.push(`Not ready: ${v.degraded}`);
  if (!v.last_reload.ok && v.last_reload.error) list.push(`The last reload, at ${clock(new Date(v.last_reload.at))}, failed and changed nothing: ${v.last_reload.error}`);
  const box = byId("alerts");
  if (box.dataset.said === list.join("\n")) return;
  box.dataset.said = list.join("\n");
  box.replaceChildren(...list.map((a) => element("p", { class: "alert" }, a)));
}

function say(what, kind) {
  const e = byId("state");
  text(e, what);
  e.className = kind;
  document.body.dataset.state = kind;
}

// history writes the charts as a table, the newest first, a row for ten seconds.
function history() {
  const columns = kinds.flatMap(([title, format, lines]) => lines.map(([name, field]) => ({ title: lines.length > 1 ? `${title}: ${name}` : title, format, field })));
  const rows = [];
  let next = Infinity;
  for (const p of points.toReversed()) {
    if (p.t > next || p.memory === undefined) continue;
    next = p.t - 9.5e3;
    rows.push(element("tr", {}, element("th", { scope: "row" }, clock(new Date(p.t))),
      ...columns.map((c) => element("td", { class: "n" }, p[c.field] === null ? none : c.format(p[c.field])))));
  }
  const head = element("tr", {}, element("th", { scope: "col" }, "Time"), ...columns.map((c) => element("th", { scope: "col", class: "n" }, c.title)));
  byId("history").querySelector(".scroll").replaceChildren(element("table", { class: "wide" }, element("thead", {}, head), element("tbody", {}, ...rows)));
}

function connect() {
  disconnect();
  if (paused || document.hidden) return;
  source = new EventSource("events");
  const stays = () => {
    clearTimeout(alive);
    alive = setTimeout(() => retry("nothing comes from the daemon; trying again …", 1e3), patience);
  };
  stays();
  source.onmessage = (e) => {
    stays();
    show(JSON.parse(e.data));
  };
  source.addEventListener("beat", stays);
  source.addEventListener("end", () => retry("the daemon ends, or starts anew; trying again …", 1e3));
  source.onerror = () => {
    const refused = source.readyState === EventSource.CLOSED;
    retry(refused ? "the daemon has no live view for this page now; trying again …" : "the daemon does not answer; trying again …", refused ? 5e3 : 1e3);
  };
}

function retry(why, wait) {
  disconnect();
  say(why, "lost");
  again = setTimeout(connect, wait);
}

function disconnect() {
  clearTimeout(alive);
  clearTimeout(again);
  source?.close();
  source = null;
}

// What was seen stays when the page is loaded anew in the same tab.
function remembered() {
  try {
    const list = JSON.parse(sessionStorage.getItem(kept)) ?? [];
    return list.filter((p) => p.t > Date.now() - span && p.t < Date.now() + 60e3);
  } catch {
    return [];
  }
}

byId("pause").addEventListener("click", (e) => {
  paused = !paused;
  e.currentTarget.setAttribute("aria-pressed", paused);
  if (paused) {
    disconnect();
    say("paused", "paused");
  } else {
    say("connecting …", "");
    connect();
  }
});
byId("history").addEventListener("toggle", draw);
document.addEventListener("visibilitychange", () => document.hidden ? disconnect() : connect());
addEventListener("pagehide", () => {
  disconnect();
  try {
    sessionStorage.setItem(kept, JSON.stringify(points));
  } catch {
    // no room or no leave: then the charts begin empty
  }
});
addEventListener("pageshow", connect);
