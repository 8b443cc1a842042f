// What is wrong for people who do not see well, or not at all, in what the page
// shows now: texts without contrast, and controls without a name.
(() => {
  const parse = (c) => (c.match(/[\d.]+/g) ?? []).map(Number);
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a));
  const light = (c) => {
    const [r, g, b] = c.map((v) => (v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
    return (x + .05) / (y + .05);
  };
  const behind = (e) => {
    const layers = [];
    for (let p = e; p; p = p.parentElement) {
      const c = parse(getComputedStyle(p).backgroundColor);
      if ((c[3] ?? 1) > 0) layers.push(c);
      if ((c[3] ?? 1) === 1) break;
    }
    return layers.reduceRight((under, c) => over(c, under), [255, 255, 255]);
  };
  const top = [...document.querySelectorAll("dialog[open], .menu")].at(-1) ?? document.body;
  const found = [];
  const walk = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
  for (let n; (n = walk.nextNode());) {
    const e = n.parentElement, style = getComputedStyle(e);
    if (!n.data.trim() || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || e.closest(".unseen, .skip, script, style, noscript, title")) continue;
    if (!/[\p{L}\p{N}]/u.test(n.data)) continue; // emoji have colours of their own
    const back = behind(e), size = parseFloat(style.fontSize);
    const got = ratio(over(parse(style.color), back), back);
    if (got < (size >= 24 || size >= 18.6 && style.fontWeight >= 700 ? 3 : 4.5)) found.push(`${got.toFixed(2)}: “${n.data.trim().slice(0, 30)}” in ${e.className || e.tagName}`);
  }
  for (const e of top.querySelectorAll("button, input, textarea, select, a, img, audio, video, dialog, progress")) {
    if (!e.checkVisibility()) continue;
    const name = e.getAttribute("aria-label") ?? (e.getAttribute("aria-labelledby") ? "x" : "") ?? "";
    const labelled = name || e.textContent.trim() || e.alt !== undefined && e.tagName === "IMG" || [...(e.labels ?? [])].some((l) => l.textContent.trim()) || e.querySelector("img[alt]:not([alt=''])");
    if (!labelled) found.push("no name: " + e.outerHTML.slice(0, 100));
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids)) if (ids.filter((o) => o === id).length > 1) found.push("twice: #" + id);
  return found.join("\n");
})()
