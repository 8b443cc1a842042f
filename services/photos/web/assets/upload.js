// The form for a new post: drop anywhere, previews in an order that can be changed,
// a description for each, progress. Without it the form works as it is.

const form = document.querySelector("[data-upload]");

if (form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector("[data-drop]");
  const previews = form.querySelector("[data-previews]");
  const single = form.querySelector("[data-single]");
  const progress = form.querySelector("[data-progress]");
  const problem = form.querySelector("[data-problem]");
  const button = form.querySelector(":scope > button");
  const most = Number(input.dataset.max);
  let items = []; // {file, text, row}
  let moving = null;

  const tool = (label, d, act) => {
    const b = document.createElement("button");
    b.type = "button";
    b.className = "tool";
    b.setAttribute("aria-label", label);
    b.innerHTML = `<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="${d}"/></svg>`;
    b.addEventListener("click", act);
    return b;
  };

  const move = (item, to) => {
    const from = items.indexOf(item);
    if (to < 0 || to >= items.length || from === to) return;
    items.splice(from, 1);
    items.splice(to, 0, item);
    show();
  };

  const row = (file) => {
    const item = { file, text: document.createElement("input"), row: document.createElement("li") };
    const img = document.createElement("img");
    img.src = URL.createObjectURL(file);
    img.alt = "";
    img.onload = () => URL.revokeObjectURL(img.src);
    item.text.name = "description[]";
    item.text.placeholder = "Describe it for those who cannot see it";
    item.text.setAttribute("aria-label", `Description of ${file.name}`);
    item.text.maxLength = single.querySelector("input").maxLength;
    const tools = document.createElement("span");
    tools.className = "tools";
    item.up = tool(`Move ${file.name} forward`, "m5 15 7-7 7 7", () => { move(item, items.indexOf(item) - 1); item.up.focus(); });
    item.down = tool(`Move ${file.name} back`, "m5 9 7 7 7-7", () => { move(item, items.indexOf(item) + 1); item.down.focus(); });
    tools.append(item.up, tool(`Take ${file.name} out`, "M5 5l14 14M19 5 5 19", () => { items = items.filter((i) => i !== item); show(); }), item.down);
    item.row.draggable = true;
    item.row.addEventListener("dragstart", () => { moving = item; item.row.classList.add("moving"); });
    item.row.addEventListener("dragend", () => { moving = null; item.row.classList.remove("moving"); });
    item.row.addEventListener("dragover", (e) => {
      if (!moving || moving === item) return;
      e.preventDefault();
      move(moving, items.indexOf(item));
    });
    item.row.append(img, item.text, tools);
    return item;
  };

  const fail = (text) => {
    problem.textContent = text;
    problem.hidden = false;
    progress.hidden = true;
    button.disabled = false;
  };

  const show = () => {
    previews.replaceChildren(...items.map((i) => i.row));
    items.forEach((item, i) => {
      item.up.disabled = i === 0;
      item.down.disabled = i === items.length - 1;
    });
    const some = items.length > 0;
    previews.hidden = !some;
    drop.classList.toggle("filled", some);
    single.hidden = some;
    single.querySelector("input").disabled = some;
    input.required = !some;
  };

  const add = (files) => {
    problem.hidden = true;
    const room = most - items.length;
    if (files.length > room) fail(`A post has at most ${most} pictures.`);
    items.push(...[...files].slice(0, room).map(row));
    show();
  };

  input.addEventListener("change", () => {
    add(input.files);
    input.value = "";
  });

  const isFiles = (e) => [...(e.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragover", (e) => {
    if (!isFiles(e)) return;
    e.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", (e) => {
    if (!e.relatedTarget) drop.classList.remove("over");
  });
  addEventListener("drop", (e) => {
    if (!isFiles(e)) return;
    e.preventDefault();
    drop.classList.remove("over");
    add(e.dataTransfer.files);
  });
  addEventListener("paste", (e) => {
    if (e.clipboardData?.files.length) add(e.clipboardData.files);
  });

  form.addEventListener("formdata", (e) => {
    e.formData.delete("file");
    for (const i of items) e.formData.append("file", i.file, i.file.name);
  });

  form.addEventListener("submit", (e) => {
    e.preventDefault();
    problem.hidden = true;
    progress.hidden = false;
    progress.value = 0;
    button.disabled = true;
    const req = new XMLHttpRequest();
    req.open("POST", form.action);
    req.responseType = "document";
    req.upload.onprogress = (p) => {
      if (!p.lengthComputable) return;
      progress.value = 100 * p.loaded / p.total;
      if (p.loaded === p.total) progress.removeAttribute("value"); // the sizes are made now
    };
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
