// DotChart: points with their intervals over numbers or names.
function dots(chart, box) {
  const groups = [...new Set(chart.dots.map((one) => one.group))], on = new Set(groups);
  const named = chart.ticks.length > 0, value = (x) => (chart.log_x ? Math.log10(x) : x);
  const look = (group) => {
    const rank = groups.indexOf(group);
    return { class: ROLES[rank] ?? "one", style: rank < 3 ? "" : `--c: var(--p${(rank - 3) % 8})`, mark: ["circle", "square", "triangle", "diamond"][rank % 4] };
  };
  const swatch = (group) => {
    const how = look(group), svg = node("svg", { width: 12, height: 12, class: how.class, style: how.style, "aria-hidden": "true" });
    svg.append(mark(how.mark, 6, 6, 4));
    return svg;
  };
  const paint = groups.length > 1 ? makeKeys(box, groups, on, swatch, [], () => draw()) : () => draw();
  const svg = node("svg", { tabindex: "0", role: "img", "aria-label": `${chart.y_label} by ${chart.x_label}: use the arrow keys to read values` });
  box.append(node("h4", {}, chart.y_label), node("div", { class: "panels" }, svg));
  const tip = makeTip(box);
  let drawn = [], digits = 1, at = -1;

  function draw() {
    const width = Math.min(box.clientWidth, 880), height = width < 560 ? 290 : 340;
    if (!width) return;
    const shown = chart.dots.filter((one) => on.has(one.group) && known(one.y) && known(one.x));
    const values = (shown.length ? shown : chart.dots).flatMap((one) => [one.y, one.low, one.high]).filter(known);
    if (known(chart.par)) values.push(chart.par);
    const y = scale(Math.min(...values), Math.max(...values), 5);
    digits = digitsFor(y.high - y.low);
    const xs = [...chart.dots.map((one) => one.x), ...chart.ticks.map(([x]) => x)].filter(known).map(value);
    let x = { low: Math.min(...xs), high: Math.max(...xs) }, ticks = chart.ticks;
    if (!named && !chart.log_x) {
      x = scale(x.low, x.high, 6);
      ticks = x.ticks.map((tick) => [tick, said(tick, x.digits)]);
    } else if (!named) {
      [x.low, x.high] = [x.low - 0.05 * (x.high - x.low || 1), x.high + 0.05 * (x.high - x.low || 1)];
      ticks = [];
      for (let power = Math.floor(x.low); power <= x.high; power++) {
        for (const step of [1, 2, 5]) {
          const tick = power + Math.log10(step);
          if (tick >= x.low && tick <= x.high) ticks.push([tick, String(Number((step * 10 ** power).toPrecision(3)))]);
        }
      }
    } else {
      ticks = ticks.map(([tick, name]) => [value(tick), name]);
      [x.low, x.high] = [x.low - 0.5, x.high + 0.5];
    }
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.style.maxWidth = `${width}px`;
    const place = axes(svg, width, height, named ? 6 : 34, x, y, ticks, [chart.x_label], "", chart.par);
    const step = named ? Math.min(9, (place.end - place.left) / (x.high - x.low) / (groups.length + 1)) : 0;
    const aside = (one) => { // groups over one name stand beside each other
      const here = groups.filter((group) => shown.some((other) => other.x === one.x && other.group === group));
      return step * (here.indexOf(one.group) - (here.length - 1) / 2);
    };
    drawn = shown.map((one) => ({
      one, x: place.x(value(one.x)) + aside(one), y: place.y(one.y), span: [one.low, one.high].map((end) => place.y(known(end) ? end : one.y)),
    })).sort((a, b) => a.x - b.x);
    for (const { one, x: left, y: top, span } of drawn) {
      const how = look(one.group), part = node("g", { class: how.class, style: how.style });
      if (known(one.low) && known(one.high)) part.append(node("line", { class: "span", x1: left, x2: left, y1: span[0], y2: span[1] }));
      part.append(mark(how.mark, left, top, 4.2));
      svg.append(part);
    }
    if (!named) label();
  }
  // Names beside the dots: right, left, above or below, wherever first there is room; else only under the pointer.
  function label() {
    const taken = drawn.flatMap(({ x, y, span }) => [[x - 5, y - 5, x + 5, y + 5], [x - 2, span[1], x + 2, span[0]]]);
    for (const { one, x, y } of drawn) {
      const wide = 6.3 * one.label.length;
      const spots = [[x + 7, y - 6], [x - 7 - wide, y - 6], [x - wide / 2, y - 19], [x - wide / 2, y + 7]];
      const free = spots.map(([a, b]) => [a, b, a + wide, b + 12])
        .find((box) => !taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]));
      if (!free) continue;
      taken.push(free);
      svg.append(node("text", { x: free[0], y: free[1] + 10, class: "label" }, one.label));
    }
  }
  function tell() {
    svg.querySelector(".cross")?.remove();
    const found = drawn[at];
    if (!found) return tip.hide();
    const { one, x, y } = found;
    svg.append(node("circle", { class: "cross", cx: x, cy: y, r: 8, fill: "none" }));
    const where = named ? [] : [[`${chart.x_label}: ${Number(one.x.toPrecision(4))}`]];
    const note = one.note ? [[node("small", {}, one.note)]] : [];
    const what = one.group && one.group !== one.label ? `${one.label}, ${one.group}` : one.label;
    tip.show(what, [...where, [`${chart.y_label}: ${said(one.y, digits)} ${between(one.low, one.high, digits)}`], ...note], x, y + svg.parentNode.offsetTop);
    return undefined;
  }
  const point = (event) => {
    const spot = svg.getBoundingClientRect(), far = ({ x, y }) => Math.hypot(x - event.clientX + spot.left, y - event.clientY + spot.top);
    at = drawn.reduce((best, one, i) => (best < 0 || far(one) < far(drawn[best]) ? i : best), -1);
    if (at >= 0 && far(drawn[at]) > 60) at = -1;
    tell();
  };
  const leave = () => { at = -1; tell(); };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("blur", leave);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") return leave();
    if (!step || !drawn.length) return;
    event.preventDefault();
    at = at < 0 ? (step > 0 ? 0 : drawn.length - 1) : Math.max(0, Math.min(drawn.length - 1, at + step));
    tell();
  });
  paint();
  whenever(box, draw);
}
