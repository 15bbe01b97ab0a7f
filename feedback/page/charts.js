// Small pictures. Numbers stand beside them, in text.

const kSvg = "http://www.w3.org/2000/svg";

function shape(tag, attributes) {
  const made = document.createElementNS(kSvg, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  return made;
}

function drawing(width, height, label) {
  const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img"});
  svg.setAttribute("aria-label", label);
  return svg;
}

// Equal steps of time, the oldest on the left; the last one still runs.
export function columns(counts, label) {
  const width = 480;
  const height = 120;
  const step = width / counts.length;
  const most = Math.max(1, ...counts);
  const svg = drawing(width, height, label);
  svg.classList.add("columns");
  counts.forEach((count, i) => {
    const tall = (count / most) * (height - 4);
    svg.append(shape("rect", {
      x: i * step + 3, y: height - tall - 1, width: step - 6, height: tall + 1,
      rx: 3, class: i === counts.length - 1 ? "running" : "column",
    }));
  });
  return svg;
}

// A share with its interval on the line from 0 to 1; `mark` is a point to
// compare with, undefined: none.
export function interval(share, low, high, label, mark) {
  const x = (value) => 4 + 192 * Math.min(1, Math.max(0, value));
  const svg = drawing(200, 20, label);
  svg.classList.add("interval");
  svg.append(
      shape("line", {x1: 4, x2: 196, y1: 10, y2: 10, class: "axis"}),
      shape("line", {x1: x(low), x2: x(high), y1: 10, y2: 10, class: "range"}));
  if (mark !== undefined) {
    svg.append(shape("line",
                     {x1: x(mark), x2: x(mark), y1: 3, y2: 17, class: "mark"}));
  }
  svg.append(shape("circle", {cx: x(share), cy: 10, r: 5, class: "point"}));
  return svg;
}

// A share as a bar from 0 to 1.
export function bar(share, label) {
  const svg = drawing(100, 10, label);
  svg.classList.add("share");
  svg.append(
      shape("rect", {x: 0, y: 0, width: 100, height: 10, rx: 5, class: "axis"}),
      shape("rect", {
        x: 0, y: 0, width: 100 * Math.min(1, Math.max(0, share)), height: 10,
        rx: 5, class: "filled",
      }));
  return svg;
}
