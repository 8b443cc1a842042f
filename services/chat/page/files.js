// Files that are about to be sent: chosen, dropped or pasted, uploaded at once
// and shown above the field until the message goes out.

import { $, el, iconButton, toast, sentence } from "./dom.js";
import { model, changed } from "./model.js";
import { preview } from "./media.js";
import { size } from "./text.js";

const MOST = 10; // attachments of a message
const chosen = new Map(); // conversation -> [{name, node, done, bar, stop, ready}]

export const hasFiles = (conv) => (chosen.get(conv)?.length ?? 0) > 0;

/** conv() is the open conversation; while busy() there is no place for files. */
export function initFiles(conv, busy) {
  const add = (files) => {
    if (!conv() || busy() || $("compose").hidden) return;
    for (const f of files) addFile(conv(), f);
    changed();
    $("compose").elements.text.focus();
  };
  $("attach").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", (e) => {
    add([...e.target.files]);
    e.target.value = "";
  });
  $("compose").addEventListener("paste", (e) => {
    const files = [...e.clipboardData.files];
    if (files.length === 0) return;
    e.preventDefault();
    add(files);
  });
  const over = (e) => {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault();
    $("drop").hidden = !conv() || $("compose").hidden;
  };
  addEventListener("dragover", over);
  addEventListener("dragleave", (e) => { if (!e.relatedTarget) $("drop").hidden = true; });
  addEventListener("drop", (e) => {
    if (!e.dataTransfer?.files.length) return;
    e.preventDefault();
    $("drop").hidden = true;
    add([...e.dataTransfer.files]);
  });
}

function addFile(conv, file) {
  const list = chosen.get(conv) ?? chosen.set(conv, []).get(conv);
  if (list.length >= MOST) {
    toast(`A message has at most ${MOST} attachments.`);
    return;
  }
  const control = new AbortController();
  const shown = preview(file);
  const entry = { name: file.name, done: shown.done, bar: el("progress", { max: 1, value: 0, aria: { label: "Upload of " + file.name } }) };
  entry.node = el("li", { className: "chip" }, shown.node,
    el("span", { className: "what" }, el("strong", { textContent: file.name }), el("small", { textContent: size(file.size) }), entry.bar),
    iconButton("close", "Remove " + file.name, () => { control.abort(); drop(conv, entry); }));
  entry.ready = model.client.upload(file, {
    name: file.name, signal: control.signal, onprogress: (part) => { entry.bar.value = part; },
  }).then((blob) => {
    entry.bar.remove();
    entry.node.classList.add("ready");
    return blob;
  }, (err) => {
    if (err.code !== "aborted") toast(`${file.name}: ${sentence(err.message)}`);
    drop(conv, entry);
    return null;
  });
  list.push(entry);
}

function drop(conv, entry) {
  const list = chosen.get(conv) ?? [];
  if (!list.includes(entry)) return;
  chosen.set(conv, list.filter((e) => e !== entry));
  entry.done();
  changed();
}

/** Waits for the uploads; resolves with the attachments, null where one failed. */
export async function takeFiles(conv) {
  const list = [...chosen.get(conv)];
  const blobs = await Promise.all(list.map((e) => e.ready));
  if (blobs.includes(null)) return null;
  for (const e of list) drop(conv, e);
  return blobs;
}

export function drawFiles(conv) {
  const box = $("chips");
  const nodes = (chosen.get(conv) ?? []).map((e) => e.node);
  box.hidden = nodes.length === 0;
  if (nodes.length !== box.children.length || nodes.some((n, i) => n !== box.children[i])) box.replaceChildren(...nodes);
}
