// What page_client_test.go runs: one client in Node.js with a server that is made
// up here, for what a real one does seldom. It ends with 1 where something is
// wrong.

import assert from "node:assert/strict";
import { Client } from "../page/client.js";

setTimeout(() => { throw new Error("took too long"); }, 20_000).unref();
const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

// What a client has opened, the last one last. said are its commands.
const sockets = [];
class Socket {
  readyState = 0;
  said = [];
  constructor(url, protocol) {
    assert.equal(url, "ws://test/v1/ws");
    assert.equal(protocol, "chat.v1.json");
    sockets.push(this);
  }
  send(frame) { this.said.push(...frame.split("\n").map((l) => JSON.parse(l))); }
  close() { this.readyState = 3; }
  tell(...lines) { this.onmessage({ data: lines.map((l) => JSON.stringify(l)).join("\n") }); }
  open(answer = {}) {
    this.readyState = 1;
    this.onopen();
    const { id, connect } = this.said[0];
    this.tell({ id, connect: { user: "alice", epoch: "e", cursor: 10, resumed: false, ping: 25, time: new Date(Date.now() + 3600_000).toISOString(), limits: {}, ...answer } });
    return connect;
  }
  drop(code = 1006) { this.onclose({ code, reason: "" }); }
  find(name) { return this.said.filter((l) => l[name]).map((l) => l[name]); }
}
const last = () => sockets.at(-1);
const storage = (map = new Map()) => ({ getItem: (k) => map.get(k) ?? null, setItem: (k, v) => map.set(k, v), map });
const make = (options = {}) => {
  const client = new Client({ base: "http://test", token: "t", WebSocket: Socket, ...options });
  client.told = [];
  for (const name of ["ready", "event", "stop"]) client.on(name, (v) => client.told.push([name, v]));
  client.start();
  return client;
};
const again = (client) => { client.wake(); return last(); }; // at once, instead of after a while

{ // A reset is told even if the connection that had it ends before it is synced.
  const c = make();
  last().open();
  last().drop();
  assert.deepEqual(again(c).open({ resumed: true, cursor: 12 }).resume, { epoch: "e", cursor: 10 });
  last().tell({ synced: { cursor: 12 } });
  assert.deepEqual(c.told, [["ready", { reset: true }]]);
  last().drop();
  again(c).open({ resumed: true, cursor: 12 });
  last().tell({ synced: { cursor: 12 } });
  assert.deepEqual(c.told.at(-1), ["ready", { reset: false }]);
  assert.ok(Math.abs(c.now() - Date.now() - 3600_000) < 1000, "it knows the server's time");
  c.stop();
}

{ // Marks are kept while there is no connection, and until they are confirmed.
  const c = make();
  c.mark("c_1", { recv: 5 });
  c.mark("c_1", { read: 3 });
  last().open();
  assert.equal(last().find("mark").length, 0);
  last().tell({ synced: { cursor: 10 } });
  assert.deepEqual(last().find("mark"), [{ conv: "c_1", recv: 5, read: 3 }]);
  last().drop();
  await soon();
  again(c).open({ resumed: true });
  last().tell({ synced: { cursor: 10 } });
  assert.equal(last().find("mark").length, 1, "it was not confirmed");
  last().tell({ id: last().said.find((l) => l.mark).id, ack: {} });
  await soon();
  last().drop();
  await soon();
  again(c).open({ resumed: true });
  last().tell({ synced: { cursor: 10 } });
  assert.equal(last().find("mark").length, 0, "it was confirmed");
  c.stop();
}

{ // What waits goes out again with the same cid, once for each connection.
  const box = storage();
  const c = make({ outbox: box });
  const sent = c.send("c_1", "one", { cid: "x1" });
  last().open();
  last().tell({ synced: { cursor: 10 } });
  assert.equal(last().find("send").length, 1);
  last().drop();
  await soon();
  again(c).open({ resumed: true });
  last().tell({ synced: { cursor: 10 } });
  assert.deepEqual(last().find("send").map((s) => s.cid), ["x1"]);
  const { id } = last().said.find((l) => l.send);
  last().tell({ id, error: { code: "rate_limited", message: "slowly", retry_after_ms: 1 } });
  await soon();
  await soon();
  assert.equal(last().find("send").length, 2, "it is tried again when the server says");
  last().tell({ id: last().said.filter((l) => l.send).at(-1).id, ack: { conv: "c_1", seq: 1, cid: "x1" } });
  assert.equal((await sent).seq, 1);
  assert.equal(box.map.get("portico_chat_outbox"), "[]");

  // Another tab leaves something behind, and takes something away.
  box.setItem("portico_chat_outbox", JSON.stringify([{ cid: "y1", conv: "c_1", text: "of the other tab" }]));
  last().drop();
  again(c).open({ resumed: true });
  last().tell({ synced: { cursor: 10 } });
  assert.deepEqual(last().find("send").map((s) => s.cid), ["y1"]);
  last().drop();
  box.setItem("portico_chat_outbox", "[]");
  c.elsewhere({ key: "portico_chat_outbox" });
  assert.equal(c.outbox.length, 0);
  c.stop();
}

{ // A handler that throws costs neither the others nor the events after it.
  const c = make();
  const thrown = new Promise((resolve) => process.once("uncaughtException", resolve));
  const off = c.on("event", () => { throw new Error("of a handler"); });
  last().open();
  last().tell({ synced: { cursor: 10 } }, { ev: { cursor: 11, type: "message" } }, { ev: { cursor: 12, type: "message" } });
  off();
  process.on("uncaughtException", () => {}); // the second one
  assert.equal((await thrown).message, "of a handler");
  assert.deepEqual(c.told.map(([name]) => name), ["ready", "event", "event"]);
  assert.equal(c.position.cursor, 12);
  c.stop();
  await soon();
  process.removeAllListeners("uncaughtException");
}

{ // 45xx means stop; what is stored but broken is no outbox; a ping is answered.
  const c = make({ outbox: storage(new Map([["portico_chat_outbox", '{"no":"list"}']])) });
  assert.deepEqual(c.outbox, []);
  last().open();
  last().tell({});
  assert.deepEqual(last().said.at(-1), {});
  const n = sockets.length;
  last().drop(4500);
  await soon();
  assert.equal(c.state, "stopped");
  assert.deepEqual(c.told.at(-1), ["stop", { code: 4500, reason: "" }]);
  assert.equal(sockets.length, n);
}
process.exit(0);
