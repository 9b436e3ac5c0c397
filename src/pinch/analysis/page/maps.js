// MapChart: a matrix as a table, so that it can be read aloud and copied; its notes come up at a place.
// cividis at 0, 1/8, ..., 1 (Nunez, Anderton and Renslow 2018)
const CIVIDIS = ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "fee838"];

function cividis(share) {
  const at = Math.max(0, Math.min(1, share)) * 8, low = Math.min(7, Math.floor(at));
  return [0, 2, 4].map((from) => {
    const [a, b] = [CIVIDIS[low], CIVIDIS[low + 1]].map((code) => parseInt(code.slice(from, from + 2), 16));
    return Math.round(a + (b - a) * (at - low));
  });
}
const bright = (colour) => colour.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0); // relative luminance, WCAG 2

function map(chart, box) {
  if (chart.title) box.append(node("h4", {}, chart.title));
  const head = chart.columns.map((name) => node("th", { scope: "col" }, name));
  const table = node("table", { class: "map" }, node("thead", {},
    node("tr", {}, node("th", {}), node("th", { colspan: chart.columns.length, style: "text-align: left" }, `${chart.column_label} \u2192`)),
    node("tr", {}, node("th", { style: "text-align: right" }, `${chart.row_label} \u2193`), ...head)));
  const range = chart.columns.map((_, c) => {
    const column = chart.values.map((row, r) => (chart.bare[r][c] ? null : row[c])).filter(known);
    return [Math.min(...column), Math.max(...column)];
  });
  const body = node("tbody", {});
  let marked = false;
  chart.rows.forEach((name, r) => {
    const row = node("tr", {}, node("th", { scope: "row" }, name));
    chart.columns.forEach((column, c) => {
      const value = chart.values[r][c], place = node("td", { tabindex: "-1" });
      place.dataset.at = `${r} ${c}`;
      const sign = /\b(above|below) par\b/.exec(chart.notes[r]?.[c] ?? "")?.[1];
      if (!known(value)) place.classList.add("none");
      else paintPlace(place, value, c, chart.bare[r][c], column, range[c]);
      if (!chart.by_column && name === column) place.classList.add("same");
      if (sign) { place.dataset.mark = sign === "above" ? "\u25b2" : "\u25bc"; marked = true; }
      row.append(place);
    });
    body.append(row);
  });
  function paintPlace(place, value, c, bare, column, [low, high]) {
    place.textContent = chart.by_column || bare || value >= 9.5 ? value.toFixed(0) : "";
    if (bare) return place.classList.add("bare", ...(column === "mean" ? ["mean"] : []));
    if (!chart.by_column) {
      place.style.background = `color-mix(in srgb, var(--f-seen) ${value.toFixed(1)}%, var(--f-blank))`;
      if (value > 55) place.style.color = "var(--paper)";
      return undefined;
    }
    const colour = cividis(high > low ? (value - low) / (high - low) : 0.5);
    place.style.background = `rgb(${colour})`;
    place.style.color = bright(colour) < 0.18 ? "#fdfdfd" : "#050505";
    return undefined;
  }
  table.append(body);
  box.append(node("div", { class: "wide-map" }, table));
  const strip = chart.by_column ? [0, 2, 4, 6, 8].map((at) => `#${CIVIDIS[at]}`).join(", ") : "var(--f-blank), var(--f-seen)";
  const key = node("div", { class: "scale" }, node("span", {}, chart.by_column ? "lowest of its column" : "0",
    node("i", { style: `background: linear-gradient(90deg, ${strip})` }), chart.by_column ? "highest" : "100"));
  if (marked) key.append(node("span", {}, "\u25b2 above par, \u25bc below par"));
  box.append(key);
  const tip = makeTip(box);
  function tell(place) {
    if (!place) return tip.hide();
    const [r, c] = place.dataset.at.split(" ").map(Number), frame = box.getBoundingClientRect(), spot = place.getBoundingClientRect();
    const value = chart.values[r][c], note = chart.notes[r]?.[c] ?? "";
    const head = `${chart.row_label} ${chart.rows[r]}, ${chart.column_label} ${chart.columns[c]}`;
    tip.show(head, [[known(value) ? said(value, 1) : "nothing there"], ...(note ? [[node("small", {}, note)]] : [])],
      spot.right - frame.left, spot.top - frame.top + spot.height / 2);
    return undefined;
  }
  const places = [...body.querySelectorAll("td")], across = chart.columns.length;
  if (places.length) places[0].tabIndex = 0;
  table.addEventListener("pointerover", (event) => tell(event.target.closest("td")));
  table.addEventListener("pointerleave", () => tell(null));
  table.addEventListener("focusin", (event) => tell(event.target.closest("td")));
  table.addEventListener("focusout", () => tell(null));
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    const now = places.indexOf(document.activeElement), next = places[now + step];
    if (event.key === "Escape") tell(null);
    if (!step || !next) return;
    event.preventDefault();
    places[now].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
