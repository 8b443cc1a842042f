// A client of the chat service, for browsers and for runtimes that have fetch
// and WebSocket. It signs in, stays connected, resumes where it was, and sends
// each message once however often the connection breaks. It shows nothing: see
// app.js for a page that does. docs/chat-client.md is its reference.
//
//   import { Client, signIn } from "/client.js";
//
//   const { user, token } = await signIn("https://chat.example.org", "alice", "secret pass");
//   const client = new Client({ base: "https://chat.example.org", token, outbox: localStorage });
//   client.on("event", (ev) => console.log(ev.type, ev));
//   client.on("ready", async ({ reset }) => { if (reset) await readEverythingAnew(client); });
//   client.start();
//   const conv = await client.post("/v1/conversations", { kind: "direct", with: "bob" });
//   const ack = await client.send(conv.id, "hello");   // resolves when it is on disk
//
// Events of a Client, for on(name, fn):
//   event    an event of the log: {cursor, type, conv, ...}
//   ready    the connection is up to date; {reset: true} where events were missed
//            that were not sent: read conversations and history over HTTP then.
//            The first one of a client without a position is a reset, too.
//   state    "connecting", "online", "offline" or "stopped"
//   outbox   what waits to be acknowledged changed; see client.outbox
//   stop     the server wants no more of this client: {code, reason}. 4500 means
//            that the token is no longer good.

/** A refusal by the server, with its code and, for some, a time to wait. */
export class ChatError extends Error {
  constructor({ code, message, retry_after_ms }, status) {
    super(message);
    this.name = "ChatError";
    this.code = code;
    this.status = status;
    this.retryAfter = retry_after_ms;
  }
}

const unreachable = () => new ChatError({ code: "offline", message: "the server cannot be reached" }, 0);

/** Makes one HTTP call and returns the decoded answer, null where there is none. */
export async function call(base, token, method, path, body) {
  const headers = {};
  if (token) headers.Authorization = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let res;
  try {
    res = await fetch(base + path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "omit",
      signal: AbortSignal.timeout(CALL_PATIENCE),
    });
  } catch {
    throw unreachable(); // fetch says no more than that it failed
  }
  if (res.status === 204) return null;
  const answer = await res.json().catch(() => null);
  if (!res.ok) throw refusal(res.status, answer);
  return answer;
}

// refusal is the error of an answer; who is in between may answer without one.
function refusal(status, answer) {
  if (answer?.error) return new ChatError(answer.error, status);
  if ([502, 503, 504].includes(status)) return new ChatError({ code: "unavailable", message: "the server is not there right now" }, status);
  return new ChatError({ code: "internal", message: `the server answered ${status}` }, status);
}

/** Makes an account; resolves with {user, token}. */
export const signUp = (base, username, password, more = {}) =>
  call(base, "", "POST", "/v1/accounts", { username, password, ...more });

/** Signs in; resolves with {user, token}. */
export const signIn = (base, username, password, device) =>
  call(base, "", "POST", "/v1/sessions", { username, password, device });

/** A cid: unique for this sender, wherever it is made. */
export function newCID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

const OPEN = 1; // of WebSocket.readyState
const RETRY_MIN = 500;
const RETRY_MAX = 30_000;
const FRAME_LINES = 64; // the server takes no more, nor more than 128 KiB
const FRAME_CHARS = 16_000; // before the last line; UTF-8 makes at most three bytes of each
const PATIENCE = 15_000; // for a connection to open; on top of the server's ping, before a silent one counts as dead
const CALL_PATIENCE = 30_000; // for the answer to an HTTP call
const WAKING = 5_000; // on top of the server's ping, before a connection is given up on waking
const RETRY_LATER = 2_000; // after a refusal that says not when to come back
const TEMPORARY = ["rate_limited", "unavailable", "no_space", "internal"];

export class Client {
  #handlers = new Map();
  #socket = null;
  #synced = false;
  #stopped = true;
  #failures = 0;
  #hint = null; // {min_ms, max_ms} of the server's close line
  #retry = 0; // timer of the next try
  #watch = 0; // timer that notices a dead line
  #ping = 25;
  #nextID = 1;
  #waiting = new Map(); // id of a command -> {resolve, reject}
  #sent = new Set(); // cids that were sent on this connection
  #promises = new Map(); // cid -> {resolve, reject}
  #marks = new Map(); // conversation -> {recv, read} that the server has not confirmed
  #reset = false; // events were missed, and nobody was told yet
  #heard = 0; // when the server said something, in milliseconds of performance.now
  #skew = 0; // of the server's clock, in milliseconds
  #stored = true; // the outbox could be written

  /**
   * base     the service's root without a slash at the end; "" for the page's own
   * token    from signUp or signIn
   * outbox   a Storage (localStorage) in which unacknowledged messages outlive a
   *          reload; without one they live as long as the client
   * key      name of the outbox in it; one for each user
   * position {epoch, cursor} to go on from, of a client that stored what it saw
   * WebSocket the class to connect with, where the runtime has none
   */
  constructor({ base = "", token, outbox = null, key = "portico_chat_outbox", position = null, WebSocket = globalThis.WebSocket }) {
    if (!WebSocket) throw new Error("this runtime has no WebSocket; give a class that is one as the option WebSocket");
    this.WebSocket = WebSocket;
    this.base = base;
    this.token = token;
    this.storage = outbox;
    this.key = key;
    this.position = position;
    this.state = "offline";
    this.user = "";
    /** What the server takes, such as {text: 16384}; known once connected. */
    this.limits = {};
    /** Messages not yet acknowledged: [{cid, conv, text, reply_to?, attachments?, at, error?}]. */
    this.outbox = this.#load();
    this.wake = this.wake.bind(this);
    this.elsewhere = this.elsewhere.bind(this);
  }

  /** Registers fn; returns the function that removes it. */
  on(name, fn) {
    if (!this.#handlers.has(name)) this.#handlers.set(name, new Set());
    this.#handlers.get(name).add(fn);
    return () => this.#handlers.get(name).delete(fn);
  }

  // One that throws must not cost the others, nor the events that follow.
  #emit(name, value) {
    for (const fn of this.#handlers.get(name) ?? []) {
      try {
        fn(value);
      } catch (err) {
        setTimeout(() => { throw err; });
      }
    }
  }

  /** The time as the server has it, as a Date: this device's clock may be wrong. */
  now() { return new Date(Date.now() + this.#skew); }

  get(path) { return call(this.base, this.token, "GET", path); }
  post(path, body) { return call(this.base, this.token, "POST", path, body); }
  put(path, body) { return call(this.base, this.token, "PUT", path, body); }
  patch(path, body) { return call(this.base, this.token, "PATCH", path, body); }
  delete(path, body) { return call(this.base, this.token, "DELETE", path, body); }

  /** Connects, and stays connected until stop. */
  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    globalThis.addEventListener?.("online", this.wake);
    globalThis.addEventListener?.("storage", this.elsewhere);
    globalThis.document?.addEventListener("visibilitychange", this.wake);
    this.#open();
  }

  /** Disconnects. What is in the outbox stays there. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#retry);
    globalThis.removeEventListener?.("online", this.wake);
    globalThis.removeEventListener?.("storage", this.elsewhere);
    globalThis.document?.removeEventListener("visibilitychange", this.wake);
    this.#drop();
    this.#setState("stopped");
  }

  /**
   * Tries at once instead of when the next try is due. A connection that the
   * server has not pinged, because the device slept, is made anew.
   */
  wake() {
    if (this.#stopped || globalThis.document?.hidden) return;
    if (this.#socket && performance.now() - this.#heard < this.#ping * 1000 + WAKING) return;
    if (this.#socket) this.#closed(1006, "silent");
    this.#failures = 0;
    this.#open();
  }

  // Another tab of the same user has sent or discarded what both know from the
  // storage.
  elsewhere(e) {
    if (e.key !== this.key || !this.#stored) return;
    const left = new Set(this.#load().map((m) => m.cid));
    const list = this.outbox.filter((m) => left.has(m.cid) || this.#promises.has(m.cid) || this.#sent.has(m.cid));
    if (list.length === this.outbox.length) return;
    this.outbox = list;
    this.#emit("outbox", list);
  }

  /**
   * Sends a message. It is tried, with the same cid, until the server has it or
   * refuses it; the promise resolves with the ack or rejects with a ChatError.
   * attachments are what upload resolved with.
   */
  send(conv, text, { reply_to, attachments, cid = newCID() } = {}) {
    this.#keep({ cid, conv, text, reply_to, attachments, at: this.now().toISOString() });
    const done = new Promise((resolve, reject) => this.#promises.set(cid, { resolve, reject }));
    this.#flush();
    return done;
  }

  /** Tries a refused message again. */
  retry(cid) {
    const m = this.outbox.find((o) => o.cid === cid);
    if (!m?.error) return;
    delete m.error;
    this.#sent.delete(cid);
    this.#keep(m);
    this.#flush();
  }

  /** Takes a refused message out of the outbox. */
  discard(cid) {
    this.#forget(cid);
  }

  /**
   * Uploads a File or Blob; resolves with {id, name, size, type, ...}, which can
   * be attached to messages. onprogress is called with 0 to 1 where the runtime
   * can tell; signal (an AbortSignal) ends it.
   */
  upload(file, { name = file.name ?? "file", onprogress, signal } = {}) {
    const url = this.base + "/v1/blobs?name=" + encodeURIComponent(name);
    const headers = { Authorization: "Bearer " + this.token, "Content-Type": file.type || "application/octet-stream" };
    return globalThis.XMLHttpRequest
      ? uploadWatched(url, headers, file, onprogress, signal)
      : uploadPlain(url, headers, file, signal);
  }

  /** Says what was received and read: now, or when there is a connection again. */
  mark(conv, { recv = 0, read = 0 }) {
    const was = this.#marks.get(conv);
    this.#marks.set(conv, { recv: Math.max(was?.recv ?? 0, recv), read: Math.max(was?.read ?? 0, read) });
    if (this.#synced) this.#tell(conv);
  }

  #tell(conv) {
    const m = this.#marks.get(conv);
    if (!m) return;
    const done = () => { if (this.#marks.get(conv) === m) this.#marks.delete(conv); };
    this.command({ mark: { conv, recv: m.recv || undefined, read: m.read || undefined } }).then(done, (err) => {
      if (!TEMPORARY.includes(err.code)) done();
      else if (this.#synced) setTimeout(() => this.#synced && this.#tell(conv), err.retryAfter ?? RETRY_LATER);
    });
  }

  /** Says that somebody types, or stopped. Say it every few seconds while it lasts. */
  typing(conv, on) {
    if (this.#synced) this.#write({ typing: { conv, on } });
  }

  /** Asks for the presence of these people, in place of those named before. */
  watch(users) {
    if (this.#synced) this.#write({ watch: { users } });
  }

  /** Runs a command of the WebSocket, such as {history: {conv, limit: 20}}. */
  command(cmd) {
    return new Promise((resolve, reject) => {
      if (!this.#synced) {
        reject(new ChatError({ code: "unavailable", message: "not connected" }));
        return;
      }
      const id = this.#nextID++;
      this.#waiting.set(id, { resolve, reject });
      this.#write({ id, ...cmd });
    });
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#emit("state", state);
  }

  #open() {
    clearTimeout(this.#retry);
    this.#setState("connecting");
    const base = this.base || globalThis.location.origin;
    const socket = new this.WebSocket(base.replace(/^http/, "ws") + "/v1/ws", "chat.v1.json");
    this.#socket = socket;
    this.#hint = null;
    socket.onopen = () => {
      const connect = { token: this.token, resume: this.position ?? undefined };
      const id = this.#nextID++;
      this.#waiting.set(id, { resolve: (a) => this.#connected(a.connect), reject: () => {} });
      this.#write({ id, connect });
    };
    socket.onmessage = (m) => {
      if (socket !== this.#socket) return;
      this.#alive();
      for (const line of m.data.split("\n")) if (line) this.#line(JSON.parse(line));
    };
    socket.onclose = (e) => {
      if (socket === this.#socket) this.#closed(e.code, e.reason);
    };
    // Some runtimes say only this where there is nobody to connect to.
    socket.onerror = () => {
      if (socket === this.#socket && socket.readyState !== OPEN) this.#closed(1006, "no connection");
    };
    this.#alive(PATIENCE);
  }

  // A line that is silent for longer than the server's ping is dead, even if
  // nobody has told us so.
  #alive(patience = this.#ping * 1000 + PATIENCE) {
    this.#heard = performance.now();
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#closed(1006, "silent"), patience);
  }

  #write(cmd) { this.#send(JSON.stringify(cmd)); }

  #send(lines) {
    if (this.#socket?.readyState === OPEN) this.#socket.send(lines);
  }

  #line(l) {
    if (Object.keys(l).length === 0) return this.#write({}); // the server's ping
    if (l.ev) return this.#event(l.ev);
    if (l.synced) return this.#onSynced(l.synced.cursor);
    if (l.close) {
      this.#hint = l.close.reconnect ?? null;
      return;
    }
    const waiting = this.#waiting.get(l.id);
    if (!waiting) return;
    this.#waiting.delete(l.id);
    if (l.error) waiting.reject(new ChatError(l.error));
    else waiting.resolve(l);
  }

  #connected(answer) {
    this.user = answer.user;
    this.limits = answer.limits ?? {};
    this.#ping = answer.ping;
    if (answer.time) this.#skew = Date.parse(answer.time) - Date.now();
    this.#reset ||= !answer.resumed; // also when this connection ends before anybody is told
    this.position = { epoch: answer.epoch, cursor: answer.resumed ? this.position.cursor : answer.cursor };
  }

  #event(ev) {
    if (ev.cursor) this.position.cursor = ev.cursor;
    this.#emit("event", ev);
  }

  #onSynced(cursor) {
    this.position.cursor = cursor;
    this.#synced = true;
    this.#failures = 0;
    this.#setState("online");
    const reset = this.#reset;
    this.#reset = false;
    this.#emit("ready", { reset });
    for (const conv of this.#marks.keys()) this.#tell(conv);
    this.#adopt();
    this.#flush();
  }

  // What another tab left behind when it was closed is sent by this one.
  #adopt() {
    const known = new Set(this.outbox.map((m) => m.cid));
    const left = this.#load().filter((m) => !known.has(m.cid));
    if (left.length === 0) return;
    this.outbox = [...this.outbox, ...left];
    this.#emit("outbox", this.outbox);
  }

  // What is still unacknowledged goes out again, in order and with the same cid:
  // whatever the server has already it answers as a duplicate.
  #flush() {
    if (!this.#synced) return;
    const lines = []; // those of one frame share a commit
    let chars = 0;
    for (const m of this.outbox) {
      if (this.#sent.has(m.cid) || m.error) continue;
      const id = this.#nextID++;
      this.#sent.add(m.cid);
      this.#waiting.set(id, {
        resolve: (a) => this.#acknowledged(m, a.ack),
        reject: (err) => this.#refused(m, err),
      });
      const attachments = m.attachments?.map((a) => a.id);
      lines.push(JSON.stringify({ id, send: { conv: m.conv, cid: m.cid, text: m.text, reply_to: m.reply_to, attachments } }));
      chars += lines.at(-1).length;
      if (lines.length < FRAME_LINES && chars <= FRAME_CHARS) continue;
      this.#send(lines.splice(0).join("\n"));
      chars = 0;
    }
    if (lines.length) this.#send(lines.join("\n"));
  }

  #acknowledged(m, ack) {
    this.#forget(m.cid);
    this.#promises.get(m.cid)?.resolve(ack);
    this.#promises.delete(m.cid);
  }

  #refused(m, err) {
    if (!this.#synced) return; // the connection is gone; the next one sends it again
    if (TEMPORARY.includes(err.code)) {
      m.waits = err.message;
      setTimeout(() => {
        this.#sent.delete(m.cid);
        this.#flush();
      }, err.retryAfter ?? RETRY_LATER * (.5 + Math.random()));
      this.#emit("outbox", this.outbox);
      return;
    }
    m.error = err.message;
    this.#keep(m);
    this.#promises.get(m.cid)?.reject(err);
    this.#promises.delete(m.cid);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#synced = false;
    clearTimeout(this.#watch);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }

  #closed(code, reason) {
    this.#drop();
    this.#sent.clear();
    for (const w of this.#waiting.values()) w.reject(new ChatError({ code: "unavailable", message: "connection lost" }));
    this.#waiting.clear();
    if (this.#stopped) return;
    if (code >= 4500 && code <= 4999) {
      this.stop();
      this.#emit("stop", { code, reason });
      return;
    }
    this.#setState("offline");
    this.#retry = setTimeout(() => this.#open(), this.#delay());
  }

  // The server's wish, else half a second, doubling to 30 s, with full jitter so
  // that clients that were cut off together do not come back together.
  #delay() {
    const { min_ms, max_ms } = this.#hint ?? {};
    if (max_ms !== undefined) return min_ms + Math.random() * (max_ms - min_ms);
    const limit = Math.min(RETRY_MAX, RETRY_MIN * 2 ** this.#failures++);
    return Math.random() * limit;
  }

  #load() {
    try {
      const list = JSON.parse(this.storage?.getItem(this.key) ?? "[]");
      return Array.isArray(list) ? list.filter((m) => m?.cid && m.conv) : [];
    } catch {
      return [];
    }
  }

  #keep(m) {
    this.#change((list) => (list.some((o) => o.cid === m.cid) ? list.map((o) => (o.cid === m.cid ? m : o)) : [...list, m]));
  }

  #forget(cid) {
    this.#change((list) => list.filter((o) => o.cid !== cid));
  }

  // The stored list is read before it is written: other tabs keep theirs in it.
  #change(fn) {
    this.outbox = fn(this.outbox);
    try {
      this.storage?.setItem(this.key, JSON.stringify(fn(this.#load())));
      this.#stored = true;
    } catch {
      this.#stored = false; // full or forbidden: the messages live in memory only
    }
    this.#emit("outbox", this.outbox);
  }
}

// Only XMLHttpRequest tells how far an upload is.
function uploadWatched(url, headers, file, onprogress, signal) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.responseType = "json";
    xhr.upload.onprogress = (e) => e.lengthComputable && onprogress?.(e.loaded / e.total);
    xhr.onload = () => (xhr.status === 201 ? resolve(xhr.response) : reject(refusal(xhr.status, xhr.response)));
    xhr.onerror = () => reject(unreachable());
    xhr.onabort = () => reject(new ChatError({ code: "aborted", message: "the upload was stopped" }, 0));
    signal?.addEventListener("abort", () => xhr.abort());
    xhr.send(file);
  });
}

async function uploadPlain(url, headers, file, signal) {
  const res = await fetch(url, { method: "POST", headers, body: file, signal }).catch(() => { throw unreachable(); });
  const answer = await res.json().catch(() => null);
  if (!res.ok) throw refusal(res.status, answer);
  return answer;
}
