// Makes the upload form better: drop anywhere, previews with a description each,
// progress. Without it the form works as it is, and reading needs none of this.
"use strict";

const form = document.querySelector("[data-upload]");

if (form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const previews = form.querySelector("[data-previews]");
  const single = form.querySelector("[data-single]");
  const progress = form.querySelector("[data-progress]");
  const problem = form.querySelector("[data-problem]");
  const button = form.querySelector("button");

  const describe = (file, i) => {
    const row = document.createElement("div");
    const img = document.createElement("img");
    img.src = URL.createObjectURL(file);
    img.alt = "";
    img.onload = () => URL.revokeObjectURL(img.src);
    const text = document.createElement("input");
    text.name = `description[${i}]`;
    text.placeholder = "Describe it for those who cannot see it";
    text.setAttribute("aria-label", `Description of ${file.name}`);
    text.maxLength = single.querySelector("input").maxLength;
    row.append(img, text);
    return row;
  };

  const show = () => {
    const files = [...input.files];
    previews.replaceChildren(...files.map(describe));
    previews.hidden = files.length === 0;
    single.hidden = files.length > 0;
    single.querySelector("input").disabled = files.length > 0;
  };
  input.addEventListener("change", show);

  addEventListener("dragover", (e) => {
    if (![...e.dataTransfer.types].includes("Files")) return;
    e.preventDefault();
    document.querySelector("[data-composer]")?.setAttribute("open", "");
    drop.classList.add("over");
  });
  addEventListener("dragleave", (e) => {
    if (!e.relatedTarget) drop.classList.remove("over");
  });
  addEventListener("drop", (e) => {
    if (!e.dataTransfer.files.length) return;
    e.preventDefault();
    drop.classList.remove("over");
    input.files = e.dataTransfer.files;
    show();
  });

  const fail = (text) => {
    problem.textContent = text;
    problem.hidden = false;
    progress.hidden = true;
    button.disabled = false;
  };

  form.addEventListener("submit", (e) => {
    e.preventDefault();
    problem.hidden = true;
    progress.hidden = false;
    button.disabled = true;
    const req = new XMLHttpRequest();
    req.open("POST", form.action);
    req.responseType = "document";
    req.upload.onprogress = (p) => { if (p.lengthComputable) progress.value = 100 * p.loaded / p.total; };
    req.onerror = () => fail("The connection broke. Try again.");
    req.onload = () => {
      if (req.status < 300) {
        location.assign(req.responseURL);
      } else {
        fail(req.response?.querySelector(".problem")?.textContent || `It did not work (${req.status}).`);
      }
    };
    req.send(new FormData(form));
  });
}

for (const f of document.querySelectorAll("form[data-confirm]")) {
  f.addEventListener("submit", (e) => {
    if (!confirm(f.dataset.confirm)) e.preventDefault();
  });
}
