// A Chart is a figure with one or two lines over the last minutes, and what they
// are now. With the pointer over it, or with the arrow keys, it says what they
// were then.

import { element, svg, text } from "./dom.js";
import { clock, none } from "./format.js";

// Steps are the round numbers of an axis: of a thousand, or of 1024.
const decimal = 1000, binary = 1024;

const width = 300, height = 72;

export class Chart {
  // lines are {name, get: (point) => number or null}; format makes text of a
  // value, which is in bytes or not.
  constructor(parent, title, format, lines, inBytes = false) {
    this.title = title;
    this.step = inBytes ? binary : decimal;
    this.format = format;
    this.lines = lines;
    this.points = [];
    this.at = null; // the time somebody asks about; null: now
    this.values = lines.map((l, i) => element("span", { class: `value line${i}` }));
    this.top = element("span", { class: "top", "aria-hidden": "true" });
    this.paths = lines.map((l, i) => svg("path", { class: `line line${i}`, "vector-effect": "non-scaling-stroke" }));
    this.area = svg("path", { class: "area line0" });
    this.mark = svg("line", { class: "mark", y1: 0, y2: height, "vector-effect": "non-scaling-stroke", visibility: "hidden" });
    this.svg = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      this.area, ...this.paths, this.mark);
    const legend = lines.map((l, i) => lines.length > 1
      ? element("span", { class: "legend" }, element("span", { class: `key line${i}` }), l.name + " ", this.values[i])
      : this.values[i]);
    this.when = element("span", { class: "when" });
    this.figure = element("figure", { tabindex: "0", role: "img" },
      element("figcaption", {}, element("strong", {}, title), " ", this.when, element("span", { class: "now" }, ...legend)),
      element("div", { class: "plot" }, this.top, this.svg));
    parent.append(this.figure);
    this.listen();
  }

  listen() {
    const plot = this.figure.querySelector(".plot");
    plot.addEventListener("pointermove", (e) => {
      const box = plot.getBoundingClientRect();
      this.ask(this.from + (e.clientX - box.left) / box.width * (this.to - this.from));
    });
    plot.addEventListener("pointerleave", () => this.ask(null));
    this.figure.addEventListener("blur", () => this.ask(null));
    this.figure.addEventListener("keydown", (e) => {
      const i = this.at === null ? this.points.length - 1 : this.nearest(this.at);
      const to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: this.points.length - 1 }[e.key];
      if (e.key === "Escape") this.ask(null);
      if (to === undefined || this.points.length === 0) return;
      e.preventDefault();
      this.ask(this.points[Math.max(0, Math.min(to, this.points.length - 1))].t);
    });
  }

  ask(t) {
    this.at = t;
    this.tell();
  }

  nearest(t) {
    let best = 0;
    this.points.forEach((p, i) => {
      if (Math.abs(p.t - t) < Math.abs(this.points[best].t - t)) best = i;
    });
    return best;
  }

  // show draws points, which have a time t in milliseconds, between two times.
  show(points, from, to) {
    Object.assign(this, { points, from, to });
    let most = 0;
    for (const p of points) for (const l of this.lines) most = Math.max(most, l.get(p) ?? 0);
    const ceiling = round(most, this.step);
    text(this.top, this.format(ceiling));
    const x = (t) => ((t - from) / (to - from) * width).toFixed(1);
    const y = (v) => (height - 1 - v / ceiling * (height - 3)).toFixed(1);
    this.lines.forEach((l, i) => {
      const parts = runs(points, l.get);
      this.paths[i].setAttribute("d", parts.map((run) => "M" + [run[0], ...run].map((p) => `${x(p.t)} ${y(l.get(p))}`).join("L")).join(""));
      if (i === 0) this.area.setAttribute("d", parts.map((run) =>
        `M${x(run[0].t)} ${height}L` + run.map((p) => `${x(p.t)} ${y(l.get(p))}`).join("L") + `L${x(run.at(-1).t)} ${height}Z`).join(""));
    });
    this.most = most;
    this.tell();
  }

  // tell says what the values are, now or then.
  tell() {
    const point = this.points[this.at === null ? this.points.length - 1 : this.nearest(this.at)];
    const say = (l) => { const v = point && l.get(point); return v === null || v === undefined ? none : this.format(v); };
    this.lines.forEach((l, i) => text(this.values[i], say(l)));
    const then = this.at !== null && point;
    text(this.when, then ? clock(new Date(point.t)) : "");
    this.mark.setAttribute("visibility", then ? "visible" : "hidden");
    if (then) {
      const at = (point.t - this.from) / (this.to - this.from) * width;
      this.mark.setAttribute("x1", at);
      this.mark.setAttribute("x2", at);
    }
    const values = this.lines.map((l) => (this.lines.length > 1 ? l.name + " " : "") + say(l)).join(", ");
    const label = `${this.title}: ${then ? "at " + clock(new Date(point.t)) : "now"} ${values}; highest ${this.format(this.most ?? 0)}`;
    if (this.figure.getAttribute("aria-label") !== label) this.figure.setAttribute("aria-label", label);
  }
}

// runs are the points without what is not known, in pieces.
function runs(points, get) {
  const all = [];
  let run = null;
  for (const p of points) {
    const v = get(p);
    if (v === null || v === undefined) {
      run = null;
      continue;
    }
    if (!run) all.push(run = []);
    run.push(p);
  }
  return all;
}

// round goes up to 1, 2 or 5 times a power of ten, in whatever thousand there is;
// of nothing it is 1.
function round(n, thousand) {
  if (n <= 0) return 1;
  const unit = thousand ** Math.floor(Math.log(n) / Math.log(thousand));
  const power = 10 ** Math.floor(Math.log10(n / unit));
  const rounded = [1, 2, 5, 10].find((f) => f * power >= n / unit) * power;
  return Math.min(rounded, thousand) * unit;
}
