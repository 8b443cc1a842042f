// Choosing a picture for a person or a group.

import { el, attempt } from "./dom.js";
import { model } from "./model.js";

/** Lets one choose a file and uploads it; then use(blob id) is called. */
export function choosePicture(use) {
  const field = el("input", { type: "file", accept: "image/*" });
  field.addEventListener("change", () => attempt(async () => {
    const blob = await model.client.upload(field.files[0]);
    await use(blob.id);
  }));
  field.click();
}
