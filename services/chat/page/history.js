// The messages of a conversation: a run of them without a gap, that grows at
// both ends, and what events do to it.

import { model, changed, meet } from "./model.js";
import { readMarks } from "./marks.js";

export const PAGE = 50;
const MOST = 300; // messages that are kept and shown; what is beyond is read again
const RENEWAL = 60_000; // between two tries for one message, in milliseconds

export class Thread {
  /** Messages and notices, ascending by seq. */
  items = [];
  older = true; // there may be more before
  newer = false; // there may be more after: the run does not reach the end
  loaded = false;
  problem = "";
  flash = 0; // the message that one jumped to
  #quotes = new Map();
  #loading = 0;
  #wanted = undefined; // what was opened last
  #meanwhile = []; // events that came while a page was on its way

  constructor(id) {
    this.id = id;
    this.path = "/v1/conversations/" + id;
  }

  get first() { return this.items.find((m) => !m.notice); }
  get last() { return this.items.findLast((m) => !m.notice); }
  find(seq) { return this.items.find((m) => m.seq === seq && !m.notice); }

  /** Reads the newest messages, or those around one; with null nothing. */
  async open(around) {
    if (around === null) return;
    this.#wanted = around;
    const query = around ? `?around=${around}&limit=${PAGE}` : `?limit=${PAGE}`;
    await this.#load(async () => {
      const [page] = await Promise.all([
        model.client.get(this.path + "/messages" + query), readMarks(this.id).catch(() => {}), // not for who has left
      ]);
      this.items = [];
      this.#add(page);
      this.older = around ? true : page.more;
      this.newer = Boolean(around);
      this.loaded = true;
    });
  }

  /** Reads once more what could not be read. */
  retry() { return this.open(this.#wanted); }

  async loadOlder() {
    if (!this.older || this.#loading || !this.first) return false;
    return this.#load(async () => {
      const page = await model.client.get(`${this.path}/messages?limit=${PAGE}&before=${this.first.seq}`);
      this.#add(page);
      this.older = page.more;
      if (this.items.length > MOST) {
        this.items.length = MOST;
        this.newer = true;
      }
    });
  }

  async loadNewer() {
    if (!this.newer || this.#loading || !this.last) return false;
    return this.#load(async () => {
      const page = await model.client.get(`${this.path}/messages?limit=${PAGE}&after=${this.last.seq}`);
      this.#add(page);
      this.newer = page.more;
      this.trim();
    });
  }

  /** Lets the oldest ones go where there are too many; the end is in sight. */
  trim() {
    if (this.items.length <= MOST) return;
    this.items = this.items.slice(-MOST);
    this.older = true;
  }

  /** The message that another one answers; read where it is not in the run. */
  quote(seq) {
    const m = this.find(seq) ?? this.#quotes.get(seq);
    if (m) return m;
    this.#quotes.set(seq, { text: "" });
    model.client.get(`${this.path}/messages?around=${seq}&limit=1`).then(({ messages }) => {
      const found = messages.find((q) => q.seq === seq);
      if (found) this.#quotes.set(seq, found);
      meet([found?.from]);
      changed();
    }, () => this.#quotes.delete(seq));
    return this.#quotes.get(seq);
  }

  /** Reads a message anew whose attachments could not be read: their addresses expire. */
  async renew(seq) {
    const m = this.find(seq);
    if (!m || Date.now() - (m.renewed ?? 0) < RENEWAL) return;
    m.renewed = Date.now();
    const { messages } = await model.client.get(`${this.path}/messages?around=${seq}&limit=1`).catch(() => ({ messages: [] }));
    const found = messages.find((n) => n.seq === seq);
    if (found) this.#insert({ ...found, renewed: m.renewed });
    changed();
  }

  // While a page is on its way events change what it will bring; they are
  // applied once more after it.
  async #load(read) {
    this.#loading++;
    this.problem = "";
    try {
      await read();
      return true;
    } catch (err) {
      this.problem = err.message;
      return false;
    } finally {
      if (--this.#loading === 0) for (const ev of this.#meanwhile.splice(0)) this.#change(ev);
      changed();
    }
  }

  #add({ messages, events = [] }) {
    for (const m of messages) this.#insert(m);
    for (const ev of events) this.#insert({ ...ev, notice: true });
    meet([...messages, ...events].flatMap((m) => [m.from, m.user]));
  }

  #insert(m) {
    let i = this.items.length;
    while (i > 0 && this.items[i - 1].seq > m.seq) i--;
    if (this.items[i - 1]?.seq === m.seq) this.items[i - 1] = m;
    else this.items.splice(i, 0, m);
  }

  apply(ev) {
    if (this.#loading) this.#meanwhile.push(ev);
    this.#change(ev);
  }

  #change(ev) {
    const m = this.find(ev.target);
    switch (ev.type) {
      case "message":
        if (this.loaded && !this.newer) this.#insert(ev);
        break;
      case "member": case "conversation":
        if (this.loaded && !this.newer) this.#insert({ ...ev, notice: true });
        break;
      case "edit":
        if (m && !ev.deleted) Object.assign(m, { text: ev.text, edited_at: ev.edited_at ?? ev.at });
        break;
      case "delete":
        if (ev.for === "me") this.hide(ev.target);
        else if (m) this.#insert({ conv: m.conv, seq: m.seq, cid: m.cid, from: m.from, at: m.at, deleted: true });
        break;
      case "reaction":
        if (m) react(m, ev.from, ev.emoji, ev.on);
        if (m?.reactions.some((r) => r.count > r.users.length)) this.renew(ev.target); // only the first users are told
        break;
    }
  }

  /** Takes a message out that one deleted for oneself. */
  hide(seq) {
    this.items = this.items.filter((m) => m.seq !== seq);
  }
}

// A person has one reaction to a message; the last one counts. me's are marked.
function react(m, who, emoji, on) {
  const list = (m.reactions ?? []).map((r) => (r.users.includes(who) ? without(r, who) : r));
  const mine = who === model.me.username;
  if (on) {
    let r = list.find((o) => o.emoji === emoji);
    if (!r) list.push(r = { emoji, count: 0, users: [], mine: false });
    Object.assign(r, { count: r.count + 1, users: [...r.users, who], mine: r.mine || mine });
  }
  m.reactions = list.filter((r) => r.count > 0);
}

const without = (r, who) => ({
  ...r, count: r.count - 1, users: r.users.filter((u) => u !== who), mine: r.mine && who !== model.me.username,
});
