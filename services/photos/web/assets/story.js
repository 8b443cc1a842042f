// A story goes on by itself, and with the arrow keys; it stops while a finger or
// the mouse is down, and where people asked for less motion.

const box = document.querySelector("[data-story]");

if (box) {
  const { next, prev, close } = box.dataset;
  const seen = box.querySelector("[data-seen]");
  if (seen) {
    fetch(seen.action, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(seen)), keepalive: true }).catch(() => {});
  }
  addEventListener("keydown", (e) => {
    const to = { ArrowRight: next, ArrowLeft: prev, Escape: close }[e.key];
    if (to) location.assign(to);
  });
  const now = [...box.querySelectorAll(".marks .done")].pop();
  const shot = box.querySelector(".shot");
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
    const begin = () => {
      now.classList.replace("done", "now");
      now.addEventListener("animationend", () => location.replace(next));
    };
    shot.complete ? begin() : shot.addEventListener("load", begin, { once: true });
    const pause = (on) => () => box.classList.toggle("paused", on);
    box.addEventListener("pointerdown", pause(true));
    for (const e of ["pointerup", "pointercancel", "pointerleave"]) box.addEventListener(e, pause(false));
    addEventListener("focusin", (e) => { if (e.target.closest("form")) box.classList.add("paused"); });
  }
}
