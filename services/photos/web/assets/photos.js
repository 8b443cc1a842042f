// Makes the pages nicer. Everything here has a plain form or link beneath it that
// works without.
import "./upload.js";
import "./story.js";

const told = document.querySelector("[data-told]");

// tell says something to those who look and to those who listen.
const tell = (text) => {
  told.textContent = text;
  setTimeout(() => { if (told.textContent === text) told.textContent = ""; }, 4000);
};

// send sends a form as it is and returns what the service says.
export const send = async (form) => {
  const res = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(form)) });
  if (res.status === 401) location.assign("/login");
  const answer = await res.json();
  if (!res.ok) throw new Error(answer.error || "It did not work.");
  return answer;
};

// ---- likes, saved posts, follows: at once, and back where it did not work

const opposite = { like: "unlike", unlike: "like", save: "unsave", unsave: "save", follow: "unfollow", unfollow: "follow" };
const action = (form) => form.action.split("/").pop();

const showMark = (form, on) => {
  const kind = form.dataset.toggle;
  form.action = `/do/${on ? opposite[kind] : kind}`;
  const button = form.querySelector("button");
  button.classList.toggle("on", on);
  button.setAttribute("aria-pressed", on);
};

const showLikes = (form, n) => {
  const card = form.closest("[data-post]");
  if (!card || form.closest(".comment")) return;
  const count = card.querySelector("[data-likes]");
  if (!count) return;
  count.textContent = n.toLocaleString("en");
  card.querySelector("[data-likes-word]").textContent = n === 1 ? "like" : "likes";
};

const likesOf = (form) => Number(form.closest("[data-post]")?.querySelector("[data-likes]")?.textContent.replace(/\D/g, "") || 0);

const toggleMark = async (form) => {
  const on = !opposite[form.dataset.toggle].startsWith(action(form));
  const before = likesOf(form);
  const request = send(form);
  showMark(form, on);
  if (form.dataset.toggle === "like") showLikes(form, before + (on ? 1 : -1));
  try {
    const post = await request;
    if (form.dataset.toggle === "like") showLikes(form, post.favourites_count);
  } catch (e) {
    showMark(form, !on);
    if (form.dataset.toggle === "like") showLikes(form, before);
    tell(e.message);
  }
};

const toggleFollow = async (form) => {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const rel = await send(form);
    const on = rel.following || rel.requested;
    form.action = `/do/${on ? "unfollow" : "follow"}`;
    button.textContent = rel.following ? "Following" : rel.requested ? "Requested" : "Follow";
    button.classList.toggle("quiet", on);
    const count = form.closest(".profile")?.querySelector("[data-followers]");
    if (count) count.textContent = (Number(count.textContent.replace(/\D/g, "")) + (rel.following ? 1 : rel.requested ? 0 : -1)).toLocaleString("en");
  } catch (e) {
    tell(e.message);
  }
  button.disabled = false;
  button.focus();
};

document.addEventListener("submit", (e) => {
  const form = e.target;
  if (form.dataset.confirm && !confirm(form.dataset.confirm)) return e.preventDefault();
  if (form.dataset.toggle) {
    e.preventDefault();
    form.dataset.toggle === "follow" ? toggleFollow(form) : toggleMark(form);
  } else if ("reply" in form.dataset) {
    e.preventDefault();
    comment(form);
  }
});

// ---- comments

const comment = async (form) => {
  const text = form.elements.status;
  if (!text.value.trim()) return;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const post = await send(form);
    if (form.dataset.reply === "here") {
      location.assign(`${form.elements.back.value.split("#")[0]}?c=${post.id}#p${post.id}`);
      return;
    }
    const line = document.createElement("p");
    const name = document.createElement("b");
    name.textContent = post.account.username + " ";
    const said = document.createElement("span");
    said.textContent = text.value;
    line.append(name, said);
    form.before(line);
    text.value = "";
    tell("Your comment is there.");
  } catch (e) {
    tell(e.message);
  }
  button.disabled = false;
};

document.addEventListener("click", (e) => {
  const answer = e.target.closest("[data-answer]");
  const form = document.querySelector("form[data-reply=here]");
  if (!answer || !form) return;
  e.preventDefault();
  form.elements.in_reply_to_id.value = answer.dataset.answer;
  form.elements.status.value = `@${answer.dataset.name} `;
  form.elements.status.focus();
});

// ---- pictures: several turn, two taps like

const svg = (d) => `<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${d}</svg>`;

const turners = (box) => {
  const strip = box.querySelector("[data-strip]");
  const place = box.querySelector("[data-place]");
  if (!place) return;
  const n = strip.children.length;
  const at = () => Math.round(strip.scrollLeft / strip.clientWidth);
  const go = (to) => strip.scrollTo({ left: to * strip.clientWidth, behavior: "smooth" });
  const buttons = [["left", -1, "m15 5-7 7 7 7", "The picture before"], ["right", 1, "m9 5 7 7-7 7", "The next picture"]].map(([side, by, d, label]) => {
    const b = document.createElement("button");
    b.type = "button";
    b.className = `turner ${side}`;
    b.setAttribute("aria-label", label);
    b.innerHTML = svg(`<path d="${d}"/>`);
    b.addEventListener("click", () => go(at() + by));
    box.append(b);
    return b;
  });
  const show = () => {
    place.textContent = `${at() + 1}/${n}`;
    buttons[0].hidden = at() === 0;
    buttons[1].hidden = at() === n - 1;
  };
  strip.addEventListener("scroll", show, { passive: true });
  strip.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!by) return;
    e.preventDefault();
    go(at() + by);
  });
  show();
};

let tapped = 0;
const likeTwice = (box) => {
  const form = box.closest("[data-post]")?.querySelector(".buttons [data-toggle=like]");
  if (!form) return;
  let wait;
  box.addEventListener("click", (e) => {
    const link = e.target.closest("[data-like-target]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.detail === 0) return;
    e.preventDefault();
    const now = Date.now();
    if (now - tapped < 320) {
      clearTimeout(wait);
      tapped = 0;
      if (action(form) === "like") form.requestSubmit();
      const heart = document.createElement("span");
      heart.className = "burst";
      heart.innerHTML = svg(form.querySelector("svg").innerHTML);
      box.append(heart);
      heart.addEventListener("animationend", () => heart.remove());
      return;
    }
    tapped = now;
    wait = setTimeout(() => location.assign(link.href), 330);
  });
};

const dress = (root) => {
  for (const box of root.querySelectorAll("[data-pictures]")) {
    turners(box);
    likeTwice(box);
  }
};
dress(document);

// ---- more of a list when its end comes near

const more = document.querySelector("[data-more]");
const list = [...document.querySelectorAll("[data-list]")].pop();
if (more && list && "IntersectionObserver" in window) {
  const watch = new IntersectionObserver(async (seen) => {
    const link = more.querySelector("a");
    if (!seen[0].isIntersecting || more.dataset.busy) return;
    more.dataset.busy = "yes";
    try {
      const res = await fetch(link.href);
      if (!res.ok) throw new Error(res.status);
      const page = new DOMParser().parseFromString(await res.text(), "text/html");
      const fresh = [...page.querySelectorAll("[data-list]")].pop();
      const box = document.createElement("div");
      box.append(...(fresh?.children ?? []));
      dress(box);
      list.append(...box.children);
      const next = page.querySelector("[data-more] a");
      if (next) {
        link.href = next.getAttribute("href");
      } else {
        more.remove();
        watch.disconnect();
      }
    } catch {
      watch.disconnect(); // the link stays
    }
    delete more.dataset.busy;
    watch.unobserve(more);
    if (more.isConnected) watch.observe(more);
  }, { rootMargin: "800px" });
  watch.observe(more);
}

// ---- small things

for (const d of document.querySelectorAll("details.menu")) {
  d.addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    d.open = false;
    d.querySelector("summary").focus();
  });
}
document.addEventListener("click", (e) => {
  for (const d of document.querySelectorAll("details.menu[open]")) if (!d.contains(e.target)) d.open = false;
});

// What is shown has been seen; the marks on it stay until the page is left.
const unread = document.querySelector("[data-read]");
if (unread) send(unread).then(() => unread.remove(), () => {});

const order = document.querySelector("[data-album]");
if (order) {
  const boxes = new Map([...order.querySelectorAll("[type=checkbox]")].map((b) => [b.value, b]));
  const chosen = (order.dataset.order || "").split(" ").filter((id) => boxes.has(id));
  const number = () => {
    for (const b of boxes.values()) b.parentElement.querySelector(".order").textContent = "";
    chosen.forEach((id, i) => { boxes.get(id).parentElement.querySelector(".order").textContent = i + 1; });
  };
  for (const id of chosen) boxes.get(id).checked = true;
  order.addEventListener("change", (e) => {
    if (!boxes.has(e.target.value)) return;
    const at = chosen.indexOf(e.target.value);
    if (at >= 0) chosen.splice(at, 1);
    if (e.target.checked) chosen.push(e.target.value);
    number();
  });
  order.addEventListener("formdata", (e) => {
    e.formData.delete("status_ids[]");
    for (const id of chosen) e.formData.append("status_ids[]", id);
  });
  number();
}
