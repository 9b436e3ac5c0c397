// Tables that sort by a click on a column's head, the table of scores with its filters and pages, buttons that copy
// commands, and the mark of the section in view. The page reads the same without.
"use strict";
(() => {
  const PAGE = 50;
  const make = (name, attributes, ...inside) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes ?? {})) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  };

  // Order of two values; nothing (null, NaN, empty) comes last both ways.
  function order(a, b, up) {
    const empty = (one) => one === null || one === "" || Number.isNaN(one);
    if (empty(a) || empty(b)) return Number(empty(a)) - Number(empty(b));
    return (up ? 1 : -1) * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  }

  // Makes the heads of a table buttons; `sort` is called with the column and whether upwards.
  function sortable(table, sort) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        sort(column, up);
      });
    });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    sortable(table, (column, up) => {
      const numeric = table.tHead.rows[0].cells[column].classList.contains("n");
      const value = (row) => {
        const cell = row.cells[column], text = cell.dataset.sort ?? cell.textContent.replace("\u2212", "-");
        return numeric ? parseFloat(text) : text;
      };
      body.append(...[...body.rows].sort((a, b) => order(value(a), value(b), up)));
    });
  }

  function scores(box, found) {
    const index = Object.fromEntries(found.columns.map((name, at) => [name, at]));
    const of = (row, name) => row[index[name]];
    const cell = (row, at) => found.cells[of(row, "cell")][at];
    const number = (value, digits = 1) => (typeof value === "number" ? value.toFixed(digits).replace("-", "\u2212") : "\u2013");
    const columns = [
      ["tuned on", (row) => cell(row, 1).replaceAll("+", " ") || "untuned"], ["share, %", (row) => cell(row, 2), "n"],
      ["seed", (row) => cell(row, 3), "n", 0], ["asked in", (row) => of(row, "language")], ["role", (row) => of(row, "role")],
      ["against", (row) => of(row, "against")], ["score", (row) => of(row, "score"), "n"],
      ["interval", (row) => (of(row, "low") === null ? "" : `[${number(of(row, "low"))}, ${number(of(row, "high"))}]`)], ["n", (row) => of(row, "n"), "n", 0], ["wins", (row) => of(row, "wins"), "n", 0],
      ["ties", (row) => of(row, "ties"), "n", 0], ["losses", (row) => of(row, "losses"), "n", 0],
      ["invalid", (row) => of(row, "invalid"), "n", 0], ["exact, %", (row) => of(row, "exact"), "n"],
      ["language, %", (row) => of(row, "right_language"), "n"], ["cell", (row) => cell(row, 0)],
    ];
    let page = 0, sorting = null;

    function chooser(word, name) {
      const values = [...new Set(found.rows.map((row) => of(row, name)))];
      const select = make("select", {}, make("option", { value: "" }, "all"), ...values.map((one) => make("option", { value: one }, one || "nothing")));
      select.addEventListener("change", () => { page = 0; draw(); });
      filters.append(make("label", {}, word, select));
      return (row) => select.selectedIndex === 0 || of(row, name) === select.value;
    }
    const filters = make("div", { class: "filters" });
    const wanted = [chooser("Asked in", "language"), chooser("Role", "role"), chooser("Against", "against")];
    const search = make("input", { type: "search", placeholder: "e.g. en ar, p100, s1" });
    search.addEventListener("input", () => { page = 0; draw(); });
    filters.append(make("label", {}, "Model has", search));
    const matches = (row) => {
      const text = `${columns[0][1](row)} ${cell(row, 0)}`.toLowerCase();
      return search.value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
    };

    const head = make("tr", {}, ...columns.map(([name, , kind]) => make("th", { class: kind ?? "" }, name)));
    const body = make("tbody", {}), table = make("table", {}, make("thead", {}, head), body);
    const [back, on] = ["\u2190 previous", "next \u2192"].map((word) => make("button", { type: "button" }, word));
    const where = make("span", { role: "status" });
    back.addEventListener("click", () => { page -= 1; draw(); });
    on.addEventListener("click", () => { page += 1; draw(); });
    sortable(table, (column, up) => { sorting = { column, up }; page = 0; draw(); });

    function draw() {
      const kept = found.rows.filter((row) => wanted.every((one) => one(row)) && matches(row));
      if (sorting) kept.sort((a, b) => order(columns[sorting.column][1](a), columns[sorting.column][1](b), sorting.up));
      const from = page * PAGE, shown = kept.slice(from, from + PAGE);
      body.replaceChildren(...shown.map((row) => make("tr", {}, ...columns.map(([, value, kind, digits]) =>
        make("td", { class: kind ?? "" }, kind ? number(value(row), digits) : String(value(row)))))));
      where.textContent = kept.length ? `${from + 1} to ${from + shown.length} of ${kept.length}` : "no line fits";
      back.disabled = page === 0;
      on.disabled = from + PAGE >= kept.length;
    }
    box.append(filters, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of scores" }, table),
      make("div", { class: "pager" }, back, on, where));
    box.hidden = false;
    draw();
  }
  const data = document.getElementById("score-data");
  if (data) scores(document.getElementById("score-table"), JSON.parse(data.textContent));

  for (const box of document.querySelectorAll(".command")) {
    const button = make("button", { type: "button" }, "Copy");
    button.addEventListener("click", async () => {
      const text = box.querySelector("pre");
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch { // where the clipboard is closed to pages, the text is selected for the reader's own copying
        getSelection().selectAllChildren(text);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    box.append(button);
  }

  // The last section that begins above the upper third of the window is the one in view.
  const links = [...document.querySelectorAll(".contents a")];
  const parts = links.map((link) => document.getElementById(link.hash.slice(1)));
  let waiting = false;
  function follow() {
    waiting = false;
    const now = parts.findLastIndex((part) => part && part.getBoundingClientRect().top < innerHeight / 3);
    links.forEach((link, at) => (at === Math.max(0, now) ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    const strip = document.querySelector(".contents"), link = links[Math.max(0, now)];
    if (strip.scrollWidth > strip.clientWidth) strip.scrollLeft = link.offsetLeft - strip.clientWidth / 3;
    else if (strip.scrollHeight > strip.clientHeight) strip.scrollTop = link.offsetTop - strip.clientHeight / 2;
  }
  addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(follow); } }, { passive: true });
  follow();
})();
