// What a view says of listeners, services, certificates and the daemon, as
// tables and lists.

import { element, text, Table } from "./dom.js";
import { age, bytes, bytesPerSecond, count, none, number, percent, seconds } from "./format.js";

const byId = (id) => document.getElementById(id);

const traffic = [
  { title: "Requests/s", n: true }, { title: "4xx/s", n: true }, { title: "5xx/s", n: true },
  { title: "p50", n: true }, { title: "p99", n: true }, { title: "In progress", n: true }, { title: "Out", n: true },
];

export class Tables {
  constructor() {
    this.listeners = new Table(byId("listeners"), "Listeners and their routes", [
      { title: "Listener" }, { title: "Address" }, { title: "Connections", n: true }, { title: "New/s", n: true }, { title: "Refused/s", n: true }, ...traffic,
    ]);
    this.services = new Table(byId("services"), "Services", [
      { title: "Service" }, { title: "Health" }, { title: "Calls/s", n: true }, ...traffic, { title: "Long-lived", n: true },
    ]);
    this.certificates = new Table(byId("certificates"), "Certificates", [
      { title: "Listener" }, { title: "Names" }, { title: "Ends", n: true }, { title: "Days left", n: true },
    ]);
    this.details = new Map(); // by service: what its kind counts
  }

  show(view) {
    this.view = view;
    this.listeners.show(view.listeners.flatMap((l) => this.listener(l)));
    this.services.show(view.services.map((s) => this.service(s)));
    this.showNumbers(view);
    this.showCertificates(view);
    showProcess(view);
  }

  rate(n) { return this.view.seconds ? count(n) : none; }

  traffic(t) {
    return [
      this.rate(t.requests), { text: this.rate(t.client_errors) }, { text: this.rate(t.server_errors), bad: t.server_errors > 0 },
      seconds(t.p50_seconds), seconds(t.p99_seconds), count(t.in_flight), this.view.seconds ? bytesPerSecond(t.bytes_out) : none,
    ];
  }

  listener(l) {
    const flags = (l.tls ? " TLS" : "") + (l.http3 ? " HTTP/3" : "");
    const own = {
      key: "l " + l.name,
      cells: [l.name, l.addresses.join(", ") + flags, count(l.connections), this.rate(l.accepted), { text: this.rate(l.refused), bad: l.refused > 0 }, ...this.traffic(l)],
    };
    const routes = l.routes.length < 2 ? [] : l.routes.map((r) => ({
      key: `r ${l.name} ${r.name}`, class: "route", cells: ["↳ " + r.name, r.text, "", "", "", ...this.traffic(r)],
    }));
    return [own, ...routes];
  }

  service(s) {
    const health = s.state === "running" ? s.health : s.state;
    return {
      key: s.name + " " + s.state,
      cells: [s.name, { text: health, bad: health !== "ok" }, this.rate(s.calls), ...this.traffic(s), count(s.connections)],
    };
  }

  // showNumbers lists what kinds count by themselves, a fold for each service.
  showNumbers(view) {
    const groups = view.services.filter((s) => s.numbers.length).map((s) => [s.name, s.numbers]);
    if (view.numbers.length) groups.push(["shared by services", view.numbers]);
    const gone = new Set(this.details.keys());
    for (const [name, numbers] of groups) {
      gone.delete(name);
      if (!this.details.has(name)) {
        const list = element("dl", { class: "numbers" });
        const box = element("details", {}, element("summary", {}, name), list);
        byId("services").append(box);
        this.details.set(name, { box, list: new List(list) });
      }
      this.details.get(name).list.show(numbers.map((n) => [n.name, this.view.seconds || !/per_second/.test(n.unit) ? number(n) : none, `${n.help} (${n.metric})`]));
    }
    for (const name of gone) {
      this.details.get(name).box.remove();
      this.details.delete(name);
    }
  }

  showCertificates(view) {
    const rows = view.listeners.flatMap((l) => l.certificates.map((c, i) => {
      const left = (new Date(c.not_after) - new Date(view.at)) / 86400e3;
      return {
        key: `${l.name} ${i}`,
        cells: c.missing
          ? [l.name, c.names.join(", "), { text: "not there yet", bad: true }, none]
          : [l.name, (c.names ?? []).join(", "), new Date(c.not_after).toLocaleDateString(), { text: left.toFixed(0), bad: left < 14 }],
      };
    }));
    byId("certificates").parentElement.hidden = rows.length === 0;
    this.certificates.show(rows);
  }
}

// A List is terms with what they are, changed in place.
class List {
  constructor(dl) {
    this.dl = dl;
    this.items = new Map();
  }

  // show takes [term, value, title].
  show(items) {
    const gone = new Set(this.items.keys());
    for (const [term, value, title] of items) {
      gone.delete(term);
      if (!this.items.has(term)) {
        const dd = element("dd");
        const box = element("div", { title }, element("dt", {}, term), dd);
        this.dl.append(box);
        this.items.set(term, { box, dd });
      }
      text(this.items.get(term).dd, value);
    }
    for (const term of gone) {
      this.items.get(term).box.remove();
      this.items.delete(term);
    }
  }
}

let process;

function showProcess(view) {
  if (!process) {
    const dl = element("dl", { class: "numbers" });
    byId("process").append(dl);
    process = new List(dl);
  }
  const p = view.process, reload = view.last_reload;
  process.show([
    ["version", view.version], ["process", String(view.pid)], ["up", age((new Date(view.at) - new Date(view.started)) / 1000)],
    ["file", view.file], ["generation", String(view.generation)],
    ["last reload", `${reload.ok ? "applied" : "failed"}, ${age((new Date(view.at) - new Date(reload.at)) / 1000)} ago`],
    ["CPU", view.seconds ? percent(p.cpu) + " of one core" : none], ["memory", bytes(p.memory_bytes)], ["Go heap", bytes(p.heap_bytes)],
    ["goroutines", count(p.goroutines)], ["open files", `${count(p.open_files)} of ${count(p.max_files)}`],
    ["longest pause for garbage", seconds(p.gc_pause_seconds)],
  ]);
}
