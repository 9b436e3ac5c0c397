// What all charts are drawn with: numbers in words, scales, axes, marks, the box beside the pointer, the keys.
const SVG = "http://www.w3.org/2000/svg";
const ROLES = ["seen", "unseen", "base"];
const MARKS = { seen: "circle", unseen: "square", base: "triangle" };
const DASHES = { seen: "", unseen: "6 3", base: "7 2 2 2" };
const MOST_TILTED = 24;
const CYCLE = ["", "6 3", "2 2", "8 2 2 2"]; // so that neighbours in the palette differ in grey too

function node(name, attributes, ...inside) {
  const made = "svg g path line rect circle text tspan".split(" ").includes(name)
    ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}
const known = (value) => typeof value === "number";
const said = (value, digits) => (known(value) ? value.toFixed(digits).replace("-", "\u2212") : "\u2013");
const between = (low, high, digits) => (known(low) && known(high) ? `[${said(low, digits)}, ${said(high, digits)}]` : "");
const digitsFor = (range) => (range >= 12 ? 1 : range >= 1 ? 2 : 3);

// A round step with about so many ticks, and the ticks from below `low` to above `high`.
function scale(low, high, about) {
  if (!(high > low)) [low, high] = [low - 1, high + 1];
  const raw = (high - low) / about, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((one) => one * power >= raw * 0.999) * power;
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
  return { low: ticks[0], high: ticks.at(-1), ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// Places nearest to the wanted ones (ascending) that keep a gap, between top and bottom: isotonic regression of what is
// wanted less its rank's share, by pooling neighbours, then moved as a whole.
function apart(wanted, most, top, bottom) {
  const gap = Math.min(most, (bottom - top) / Math.max(1, wanted.length - 1));
  const blocks = []; // of [mean, number]
  wanted.forEach((value, rank) => {
    blocks.push([value - rank * gap, 1]);
    while (blocks.length > 1 && blocks.at(-2)[0] > blocks.at(-1)[0]) {
      const [mean, number] = blocks.pop(), [before, many] = blocks.pop();
      blocks.push([(mean * number + before * many) / (number + many), number + many]);
    }
  });
  const places = blocks.flatMap(([mean, number]) => Array(number).fill(mean)).map((mean, rank) => mean + rank * gap);
  const shift = Math.max(0, top - places[0]) || Math.min(0, bottom - places.at(-1));
  return places.map((place) => place + shift);
}

const path = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function mark(kind, x, y, r, extra = {}) {
  if (kind === "circle") return node("circle", { class: "dot", cx: x, cy: y, r, ...extra });
  const corners = {
    square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], triangle: [[0, -1.2], [1.15, 0.9], [-1.15, 0.9]],
    diamond: [[0, -1.35], [1.35, 0], [0, 1.35], [-1.35, 0]],
  }[kind];
  return node("path", { class: "dot", d: `${path(corners.map(([a, b]) => [x + a * r, y + b * r]))}Z`, ...extra });
}

// A box with a table that follows the pointer inside a chart. `head` is a line, `rows` lists of texts or nodes.
function makeTip(chart) {
  const box = node("div", { class: "tip", role: "status", hidden: "" });
  chart.append(box);
  return {
    show(head, rows, x, y) {
      const body = rows.map((row) => node("tr", {}, ...row.map((one) => node("td", {}, one))));
      box.replaceChildren(node("strong", {}, head), node("table", {}, node("tbody", {}, ...body)));
      box.hidden = false;
      const room = chart.clientWidth - box.offsetWidth;
      box.style.left = `${Math.max(0, Math.min(x + 14 > room ? x - box.offsetWidth - 14 : x + 14, room))}px`;
      box.style.top = `${Math.max(0, y - box.offsetHeight / 2)}px`;
    },
    hide() { box.hidden = true; },
  };
}

// A pressed or unpressed button a name; `swatch(name)` is drawn in it. Calls `changed` with the names that are on.
function makeKeys(chart, names, on, swatch, several, changed) {
  const bar = node("div", { class: "keys" });
  const paint = () => {
    const buttons = names.map((name) => {
      const button = node("button", { type: "button", "aria-pressed": String(on.has(name)) }, swatch(name), name);
      button.addEventListener("click", () => {
        on.has(name) ? on.delete(name) : on.add(name);
        paint();
        bar.children[names.indexOf(name)].focus();
      });
      button.addEventListener("pointerenter", () => changed(name));
      button.addEventListener("pointerleave", () => changed());
      return button;
    });
    for (const [word, act] of several.length > 1 ? [["all single lines", "add"], ["none", "delete"]] : []) {
      const button = node("button", { type: "button", class: "all" }, word);
      button.addEventListener("click", () => { several.forEach((name) => on[act](name)); paint(); });
      buttons.push(button);
    }
    bar.replaceChildren(...buttons);
    changed();
  };
  chart.append(bar);
  return paint;
}

// Axes with ticks and a frame for what is drawn; gives where values stand. `ticks` are [x, label] with lines by "\n".
function axes(svg, width, height, right, x, y, ticks, labels, unit, par) {
  // Labels that would lie over each other are tilted, or left out where there are too many of them.
  const half = (name) => Math.max(...name.split("\n").map((one) => one.length)) * 3.1 + 2;
  const across = width - right - 50, spot = (value) => ((value - x.low) / (x.high - x.low || 1)) * across;
  const tilted = ticks.length <= MOST_TILTED && ticks.some(([value, name], at) =>
    at && spot(value) - spot(ticks[at - 1][0]) < half(name) + half(ticks[at - 1][1]));
  const longest = Math.max(0, ...ticks.map(([, name]) => name.length));
  const lines = Math.max(1, ...ticks.map(([, name]) => name.split("\n").length));
  const left = 14 + 6.4 * Math.max(...y.ticks.map((one) => `${said(one, y.digits)}${unit}`.length));
  const below = tilted ? 14 + Math.min(90, 4.1 * longest) : 13 * lines + 8;
  const bottom = height - below - (labels[0] ? 18 : 0);
  const place = {
    x: (value) => left + 8 + ((value - x.low) / (x.high - x.low || 1)) * (width - left - right - 16),
    y: (value) => 8 + ((y.high - value) / (y.high - y.low)) * (bottom - 8), left, bottom, top: 8, end: width - right,
  };
  for (const tick of y.ticks) {
    const at = place.y(tick);
    svg.append(node("line", { class: "grid", x1: left, x2: place.end, y1: at, y2: at }));
    svg.append(node("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, `${said(tick, y.digits)}${unit}`));
  }
  if (known(par)) svg.append(node("line", { class: "par", x1: left, x2: place.end, y1: place.y(par), y2: place.y(par) }));
  let taken = -Infinity;
  const last = ticks.at(-1);
  for (const tick of ticks) {
    const [value, name] = tick, at = place.x(value);
    if (!tilted && tick !== last && (at - half(name) < taken || at + half(name) > place.x(last[0]) - half(last[1]))) continue;
    taken = at + half(name);
    const turn = tilted ? { transform: `rotate(-40 ${at} ${bottom + 12})`, "text-anchor": "end" } : { "text-anchor": "middle" };
    const text = node("text", { y: bottom + 15, ...turn });
    (tilted ? [name.replace("\n", " \u00b7 ")] : name.split("\n")).forEach((one, row) => text.append(node("tspan", { x: at, dy: row ? 13 : 0 }, one)));
    svg.append(text);
  }
  if (labels[0]) svg.append(node("text", { x: (left + place.end) / 2, y: height - 4, "text-anchor": "middle" }, labels[0]));
  return place;
}

// Draws again whenever the width of the chart changes.
function whenever(box, draw) {
  let before = 0;
  new ResizeObserver(() => {
    if (box.clientWidth && box.clientWidth !== before) { before = box.clientWidth; draw(); }
  }).observe(box);
}
