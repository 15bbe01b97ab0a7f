// Tables and figures of the requester's page.

import {make} from "/dom.js";

export const percent = (share) =>
    typeof share === "number" ? (100 * share).toFixed(1) + " %" : "–";
export const number = (value, digits = 0) =>
    typeof value === "number" ? value.toFixed(digits) : "–";

// A table; on a small screen each row is a card, whose cells have their heads
// before them. Cells are text or elements; a row of one cell has all the width.
export function table(caption, heads, rows) {
  const row = (cells, tag) => {
    const made = make("tr");
    cells.forEach((cell, i) => {
      const isHead = tag === "th" || (i === 0 && cells.length > 1);
      const box = make(isHead ? "th" : "td", {}, cell ?? "–");
      if (box.tagName === "TH") box.scope = tag === "td" ? "row" : "col";
      if (tag === "td" && i > 0) box.dataset.head = heads[i];
      if (cells.length === 1) box.colSpan = heads.length;
      made.append(box);
    });
    return made;
  };
  const made = make("table", {},
                    make("caption", {className: "unseen"}, caption),
                    make("thead", {}, row(heads, "th")),
                    make("tbody", {},
                         ...rows.map((cells) => row(cells, "td"))));
  const box = make("div", {className: "scroll", tabIndex: 0}, made);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", caption);
  return box;
}

// Figures with their names: [[name, value, what it means], …].
export function figures(entries) {
  return make("dl", {className: "figures"}, ...entries.map(
      ([name, value, hint]) => make(
          "div", {}, make("dt", {}, name),
          make("dd", {}, make("span", {className: "value"}, value),
               ...(hint ? [make("span", {className: "hint"}, hint)] : [])))));
}

// Some detail that opens; `key` names it, so that it stays open over updates.
export function detail(key, summary, ...contents) {
  const made = make("details", {}, make("summary", {}, summary), ...contents);
  made.dataset.key = key;
  return made;
}
