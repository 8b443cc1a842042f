// Files that are about to be sent: chosen, dropped or pasted, uploaded at once
// and shown above the field until the message goes out.

import { $, el, iconButton, toast, sentence } from "./dom.js";
import { model, changed, onForget } from "./model.js";
import { preview } from "./media.js";
import { size } from "./text.js";

const MOST = 10; // attachments of a message
const chosen = new Map(); // conversation -> [{node, done, control, ready}]

onForget(() => {
  for (const [conv, list] of chosen) for (const e of list) remove(conv, e);
});

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
  const shown = preview(file);
  const entry = { done: shown.done };
  const status = el("span", { className: "status", role: "status" });
  entry.node = el("li", { className: "chip" }, shown.node,
    el("span", { className: "what" }, el("strong", { textContent: file.name, title: file.name, dir: "auto" }), el("small", { textContent: size(file.size) }), status),
    iconButton("close", "Remove " + file.name, () => remove(conv, entry)));
  upload(entry, file, status);
  list.push(entry);
}

// Uploads a file and shows how far it is; what failed can be tried again.
function upload(entry, file, status) {
  const bar = el("progress", { max: 1, value: 0, aria: { label: "Upload of " + file.name } });
  status.replaceChildren(bar);
  entry.node.classList.remove("failed");
  entry.control = new AbortController();
  entry.ready = model.client.upload(file, {
    signal: entry.control.signal, onprogress: (part) => { bar.value = part; },
  }).then((blob) => {
    status.replaceChildren();
    entry.node.classList.add("ready");
    return blob;
  }, (err) => {
    if (err.code === "aborted") return null;
    const again = ["offline", "unavailable", "rate_limited", "internal"].includes(err.code);
    const text = sentence(err.message);
    status.replaceChildren(el("span", { className: "error", textContent: text, title: text }),
      again ? el("button", { type: "button", textContent: "Try again", on: { click: () => upload(entry, file, status) } }) : "");
    entry.node.classList.add("failed");
    return null;
  });
}

function remove(conv, entry) {
  entry.control.abort();
  drop(conv, entry);
}

function drop(conv, entry) {
  const list = chosen.get(conv) ?? [];
  if (!list.includes(entry)) return;
  chosen.set(conv, list.filter((e) => e !== entry));
  entry.done();
  changed();
}

/** Waits for the uploads; resolves with the attachments, null where one failed or none is left. */
export async function takeFiles(conv) {
  await Promise.all((chosen.get(conv) ?? []).map((e) => e.ready));
  const list = chosen.get(conv) ?? []; // one may have taken some out meanwhile
  const blobs = await Promise.all(list.map((e) => e.ready));
  if (blobs.includes(null)) {
    toast("Not sent: a file could not be uploaded.");
    return null;
  }
  for (const e of list) drop(conv, e);
  return blobs.length ? blobs : null;
}

export function drawFiles(conv) {
  const box = $("chips");
  const nodes = (chosen.get(conv) ?? []).map((e) => e.node);
  box.hidden = nodes.length === 0;
  if (nodes.length !== box.children.length || nodes.some((n, i) => n !== box.children[i])) box.replaceChildren(...nodes);
}
