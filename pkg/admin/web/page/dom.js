// The few ways in which this page makes and changes elements.

// element makes one: element("td", {class: "n"}, "text", child).
export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  set(e, attributes);
  e.append(...children);
  return e;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const e = document.createElementNS(SVG, name);
  set(e, attributes);
  e.append(...children);
  return e;
}

function set(e, attributes) {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) e.setAttribute(name, value);
}

// text sets what e says, and leaves e alone if it says so already: a selection
// stays, and readers aloud are not disturbed.
export function text(e, value) {
  if (e.textContent !== value) e.textContent = value;
}

// A Table is rows of cells that change in place.
export class Table {
  // columns are {title, n: a number?}.
  constructor(parent, caption, columns) {
    this.columns = columns;
    this.rows = new Map();
    this.body = element("tbody");
    const head = element("tr", {}, ...columns.map((c) => element("th", { scope: "col", class: c.n ? "n" : undefined }, c.title)));
    parent.append(element("table", {}, element("caption", { class: "quiet" }, caption), element("thead", {}, head), this.body));
  }

  // show takes rows: {key, class, title, cells: [text, or {text, class}]}. A row
  // is the one with the same key as before.
  show(rows) {
    const gone = new Set(this.rows.keys());
    rows.forEach((row, i) => {
      gone.delete(row.key);
      const tr = this.rows.get(row.key) ?? this.add(row.key);
      if (this.body.children[i] !== tr) this.body.insertBefore(tr, this.body.children[i] ?? null);
      const cls = row.class ?? "";
      if (tr.className !== cls) tr.className = cls;
      if (row.title && tr.title !== row.title) tr.title = row.title;
      row.cells.forEach((cell, j) => {
        const c = typeof cell === "string" ? { text: cell } : cell;
        const td = tr.children[j];
        text(td, c.text);
        td.classList.toggle("bad", Boolean(c.bad));
      });
    });
    for (const key of gone) {
      this.rows.get(key).remove();
      this.rows.delete(key);
    }
  }

  add(key) {
    const tr = element("tr", {}, ...this.columns.map((c, i) =>
      element(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : undefined, class: c.n ? "n" : undefined, "data-title": c.title })));
    this.rows.set(key, tr);
    return tr;
  }
}
