// LineChart: panels of lines with bands over one x axis; pointer and arrow keys read all lines at one x.
const FEW = 8; // so many single lines are told apart by colour, more are grey but for the one under the pointer

function lines(chart, box) {
  const every = chart.panels.flatMap((panel) => panel.series);
  const names = [...new Set(every.map((one) => one.name))];
  const roles = new Map(every.map((one) => [one.name, one.role]));
  const single = names.filter((name) => roles.get(name) === "one");
  const plain = names.filter((name) => !ROLES.includes(roles.get(name)) && roles.get(name) !== "one");
  const on = new Set(every.filter((one) => one.on).map((one) => one.name));
  const heads = new Map(chart.ticks.map(([x, name]) => [x, name.replace("\n", " \u00b7 ")]));
  const singles = () => single.filter((name) => on.has(name));
  let at = null, near = null;

  // Class, colour and dash of a line, the same in every panel and in its key.
  function look(name) {
    const role = roles.get(name), few = singles().length <= FEW;
    const rank = role === "one" ? single.indexOf(name) : plain.indexOf(name);
    const coloured = !ROLES.includes(role) && (role !== "one" || few);
    return {
      class: `${ROLES.includes(role) ? role : "one"}`, style: coloured ? `--c: var(--p${rank % 8})` : "",
      dash: ROLES.includes(role) ? DASHES[role] : coloured ? CYCLE[rank % 4] : "",
      mark: MARKS[role] ?? (role === "one" ? null : ["diamond", "triangle", "square", "circle"][rank % 4]),
    };
  }
  function swatch(name) {
    const how = look(name), svg = node("svg", { width: 26, height: 10, class: how.class, style: how.style, "aria-hidden": "true" });
    svg.append(node("line", { class: "span", x1: 0, x2: 26, y1: 5, y2: 5, "stroke-dasharray": how.dash }));
    if (how.mark) svg.append(mark(how.mark, 13, 5, 3.4));
    return svg;
  }
  const paint = makeKeys(box, names, on, swatch, single, (name) => { near = on.has(name) ? name : null; draw(); });
  const grid = node("div", { class: "panels" });
  box.append(grid);
  const tip = makeTip(box);
  const panels = chart.panels.map((panel) => {
    const svg = node("svg", { tabindex: "0", role: "img", "aria-label": `${panel.title || "Chart"}: use the arrow keys to read values` });
    const whole = node("div", {}, ...(panel.title ? [node("h4", {}, panel.title)] : []), svg);
    grid.append(whole);
    return { ...panel, svg, whole };
  });

  function draw() {
    const width = box.clientWidth;
    if (!width) return;
    const across = width < 560 ? 1 : Math.min(panels.length, Math.floor(width / 290), panels.length === 4 ? 2 : 3);
    grid.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
    const one = (width - 16 * (across - 1)) / across;
    panels.forEach((panel) => drawPanel(panel, one, across === 1 && width > 560 ? 330 : 250));
  }
  function drawPanel(panel, width, height) {
    const shown = panel.series.filter((one) => on.has(one.name));
    const values = (shown.length ? shown : panel.series).flatMap((one) => [...one.y, ...one.low, ...one.high]).filter(known);
    if (known(panel.par)) values.push(panel.par);
    const low = Math.min(...values), high = Math.max(...values);
    const rate = panel.unit.trim() === "%" && low >= 0 && high <= 100;
    const y = rate ? scale(0, 100, 5) : scale(low, high, 5);
    const xs = [...chart.ticks.map(([x]) => x), ...panel.series.flatMap((one) => one.x)].filter(known);
    const x = { low: Math.min(...xs), high: Math.max(...xs) };
    const ends = shown.filter((one) => roles.get(one.name) === "one" && known(one.y.at(-1)));
    const right = ends.length ? 12 + 6.2 * Math.max(...ends.map((line) => line.name.length)) : 6;
    panel.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const frame = (edge) => {
      panel.svg.replaceChildren();
      return axes(panel.svg, width, height, edge, x, y, chart.ticks, [chart.x_label], panel.unit, panel.par);
    };
    const first = frame(right), over = beyond(panel.svg, width);
    const place = over > 0 ? frame(right + over) : first;
    const order = [...shown].sort((a, b) => (roles.get(a.name) === "one" ? 0 : 1) - (roles.get(b.name) === "one" ? 0 : 1));
    const sorted = [...ends].sort((a, b) => b.y.at(-1) - a.y.at(-1));
    const beside = apart(sorted.map((line) => place.y(line.y.at(-1))), 11, place.top, place.bottom);
    sorted.forEach((line, rank) => {
      const from = place.x(line.x.at(-1)), until = place.end + 2;
      panel.svg.append(node("path", { class: "grid", fill: "none", d: path([[from, place.y(line.y.at(-1))], [until, beside[rank]]]) }));
      panel.svg.append(node("text", { x: until + 3, y: beside[rank] + 4, class: near === line.name ? "label" : "" }, line.name));
    });
    for (const line of order) drawLine(panel.svg, line, place);
    panel.place = place;
    panel.digits = digitsFor(y.high - y.low);
    drawCross(panel);
  }
  function drawLine(svg, line, place) {
    const how = look(line.name), part = node("g", { class: how.class, style: how.style });
    const points = line.x.map((x, i) => ({ x: place.x(x), y: line.y[i], low: line.low[i], high: line.high[i] }));
    const banded = roles.get(line.name) !== "one" || near === line.name || singles().length <= 2;
    for (const run of banded ? runs(points, (one) => known(one.low) && known(one.high)) : []) {
      const above = run.map((one) => [one.x, place.y(one.high)]), below = run.map((one) => [one.x, place.y(one.low)]);
      part.append(node("path", { class: "band", d: `${path([...above, ...below.reverse()])}Z` }));
    }
    const thin = roles.get(line.name) === "one" ? " thin" : "", close = near === line.name ? " near" : "";
    for (const run of runs(points, (one) => known(one.y))) {
      const d = path(run.map((one) => [one.x, place.y(one.y)]));
      part.append(node("path", { class: `line${thin}${close}`, "stroke-dasharray": how.dash, d }));
      if (how.mark && points.length <= 30) run.forEach((one) => part.append(mark(how.mark, one.x, place.y(one.y), 3.6)));
    }
    svg.append(part);
  }
  function drawCross(panel) {
    panel.svg.querySelector(".cross")?.remove();
    if (at === null) return;
    const x = panel.place.x(at);
    panel.svg.append(node("line", { class: "cross", x1: x, x2: x, y1: panel.place.top, y2: panel.place.bottom }));
  }
  // The single line under the pointer, if one is close.
  function nearest(panel, y) {
    const far = (one) => Math.abs(panel.place.y(one.y[one.x.indexOf(at)]) - y);
    const close = panel.series.filter((one) => on.has(one.name) && known(one.y[one.x.indexOf(at)]) && far(one) < 12);
    const found = close.sort((a, b) => far(a) - far(b))[0];
    return found && roles.get(found.name) === "one" ? found.name : null;
  }
  function tell(panel, y) {
    panels.forEach(drawCross);
    if (at === null) return tip.hide();
    const rows = panel.series.filter((one) => on.has(one.name)).map((one) => ({ one, i: one.x.indexOf(at) }))
      .filter(({ one, i }) => i >= 0 && known(one.y[i])).sort((a, b) => b.one.y[b.i] - a.one.y[a.i])
      .map(({ one, i }) => [swatch(one.name), one.name === near ? node("strong", {}, one.name) : one.name, `${said(one.y[i], panel.digits)}${panel.unit}`,
        [between(one.low[i], one.high[i], panel.digits), one.notes[i] ?? ""].filter(Boolean).join(" ")]);
    const x = panel.whole.offsetLeft + panel.place.x(at);
    tip.show(heads.get(at) ?? `${chart.x_label}: ${at}`, rows, x, panel.whole.offsetTop + y);
  }
  for (const panel of panels) {
    const xs = [...new Set(panel.series.flatMap((one) => one.x))].sort((a, b) => a - b);
    const point = (event) => {
      const spot = panel.svg.getBoundingClientRect(), x = event.clientX - spot.left;
      at = xs.reduce((best, one) => (Math.abs(panel.place.x(one) - x) < Math.abs(panel.place.x(best) - x) ? one : best), xs[0]);
      const y = event.clientY - spot.top, before = near;
      near = nearest(panel, y);
      if (near !== before) draw();
      tell(panel, y);
    };
    const leave = () => {
      at = near = null;
      draw();
      tell(panel, 0);
    };
    panel.svg.addEventListener("pointermove", point);
    panel.svg.addEventListener("pointerdown", point);
    panel.svg.addEventListener("pointerleave", leave);
    panel.svg.addEventListener("blur", leave);
    panel.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") return leave();
      if (!step) return;
      event.preventDefault();
      const now = xs.indexOf(at);
      at = xs[now < 0 ? (step > 0 ? 0 : xs.length - 1) : Math.max(0, Math.min(xs.length - 1, now + step))];
      tell(panel, 60);
    });
  }
  paint();
  whenever(box, draw);
}

// How far level labels reach over the right edge.
function beyond(svg, width) {
  const level = [...svg.querySelectorAll("text:not([transform])")].map((text) => text.getBBox());
  return Math.max(0, ...level.map((box) => box.x + box.width - width));
}

// Neighbours for which something holds, as lists.
function runs(points, holds) {
  const found = [[]];
  for (const one of points) holds(one) ? found.at(-1).push(one) : found.push([]);
  return found.filter((run) => run.length);
}
