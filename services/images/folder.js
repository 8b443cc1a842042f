// The arrow keys walk through the pictures; without this script Tab does.
addEventListener("keydown", (e) => {
  if (e.altKey || e.ctrlKey || e.metaKey || e.shiftKey) return;
  const all = [...document.querySelectorAll("main a")];
  const at = all.indexOf(document.activeElement);
  const box = at < 0 ? null : all[at].getBoundingClientRect();
  // The picture nearest to this one's middle in the next row that way.
  const row = (down) => {
    let best = -1, least = Infinity, line = null;
    for (let i = at + down; i >= 0 && i < all.length; i += down) {
      const b = all[i].getBoundingClientRect();
      if (Math.abs(b.top - box.top) < 2) continue;
      if (line === null) line = b.top;
      if (Math.abs(b.top - line) > 2) break;
      const d = Math.abs(b.left + b.width / 2 - box.left - box.width / 2);
      if (d < least) { least = d; best = i; }
    }
    return best;
  };
  const to = (i) => { if (all[i]) { all[i].focus(); e.preventDefault(); } };
  switch (e.key) {
    case "ArrowRight": return to(at + 1);
    case "ArrowLeft": return to(at < 0 ? -1 : at - 1);
    case "ArrowDown": return to(at < 0 ? 0 : row(1));
    case "ArrowUp": return to(at < 0 ? -1 : row(-1));
    case "Home": return to(0);
    case "End": return to(all.length - 1);
  }
});
