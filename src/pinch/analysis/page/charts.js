// Draws the charts of every figure (shapes: pinch/analysis/charts.py) from the JSON beside it, in place of its picture, so
// that they answer to pointer and keyboard. Everything said goes in as text, never as markup. Without this the pictures stay.
// Charts in place of the picture, which stays behind a switch; a figure whose data cannot be drawn keeps its picture.
for (const script of document.querySelectorAll("script.charts")) {
  const figure = script.closest("figure"), live = node("div", { class: "live" });
  figure.insertBefore(live, figure.firstElementChild);
  figure.classList.add("answering");
  try {
    const charts = JSON.parse(script.textContent);
    if (charts.length > 1 && charts.every((chart) => chart.kind === "dots")) live.classList.add("beside");
    for (const chart of charts) {
      const box = node("div", { class: "chart" });
      live.append(box);
      ({ lines, map, dots })[chart.kind](chart, box);
    }
  } catch (problem) {
    console.error(problem);
    live.remove();
    figure.classList.remove("answering");
    continue;
  }
  const bar = node("div", { class: "switch", role: "group", "aria-label": "Show as" });
  const buttons = [["Chart", true], ["Picture", false]].map(([word, answering]) => {
    const button = node("button", { type: "button", "aria-pressed": String(answering) }, word);
    button.addEventListener("click", () => {
      figure.classList.toggle("answering", answering);
      live.hidden = !answering;
      buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    });
    return button;
  });
  bar.append(...buttons);
  figure.insertBefore(bar, live);
}
