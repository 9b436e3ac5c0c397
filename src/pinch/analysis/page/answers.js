// Unpacks the answers that came with the page and lets a reader look through them, prompt by prompt. What the lines of the
// bundle hold says pinch/analysis/answers/bundle.py. Texts are put in as text, never as markup.
(() => {
  "use strict";
  const section = document.getElementById("answers");
  const PAGE = 5; // prompts at a time
  const COLUMNS = 4;
  const WORDS = {
    win: "win", tie: "tie", loss: "loss", invalid: "invalid", identical: "same answer as the reference", self: "is the reference",
    unjudged: "not judged yet", "": "compared with none",
  };
  const COLOUR = { win: " good", loss: " bad" };
  const BETTER = { first: "this answer is better", second: "the reference's is better", tie: "a tie", invalid: "no verdict" };
  const MIRROR = { first: "second", second: "first" };
  const UNANIMOUS = { "first second": "win", "second first": "loss" }; // what was said in both orders

  // --- what there is
  let models, languages, shown;
  const texts = [""], marks = [null], testimonies = [[]], prompts = [];

  async function unpack() {
    const packed = atob(document.getElementById("answers-data").textContent.trim());
    const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
    const lines = (await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text()).split("\n");
    ({ models, languages, shown } = JSON.parse(lines[0]));
    for (const line of lines.slice(1)) {
      if (!line) continue;
      const [id, newTexts, newMarks, newTestimonies, places] = JSON.parse(line);
      for (const text of newTexts) texts.push(text);
      for (const mark of newMarks) marks.push(mark);
      for (const said of newTestimonies) testimonies.push(said);
      prompts.push({ id, places });
    }
  }

  const language = () => languages.find((one) => one.code === chosen.language);

  // What a model said to a prompt, or null.
  function given(prompt, model) {
    const here = language(), place = prompt.places[here.code], at = here.models.indexOf(model);
    if (!place || at < 0 || !place[2][at]) return null;
    const [outcome, exact, right, spoken, complete] = marks[place[3][at]];
    return { text: texts[place[2][at]], outcome, exact, right, spoken, complete, said: testimonies[place[4][at]], reference: here.references[at] };
  }

  const whole = (text) => (Array.isArray(text) ? text[0] + "\n" + text[1] : text || "");
  const plain = (text) => text.normalize("NFC").toLowerCase();

  // --- what is chosen
  const chosen = { language: "", models: [], of: 0, outcome: "", spoken: "", exact: "", words: "", page: 0 };
  const TESTS = {
    outcome: (answer, value) => answer.outcome === value,
    spoken: (answer, value) =>
      value === "right" ? answer.right === true : value === "wrong" ? answer.right === false : answer.spoken === value.slice(3),
    exact: (answer, value) => answer.exact === (value === "yes"),
  };
  const FILTERS = Object.keys(TESTS);

  function found() {
    const words = plain(chosen.words).split(/\s+/).filter(Boolean);
    const here = prompts.filter((prompt) => prompt.places[chosen.language]);
    return here.filter((prompt) => {
      const answer = given(prompt, chosen.models[chosen.of]);
      return FILTERS.every((name) => !chosen[name] || (answer && TESTS[name](answer, chosen[name]))) && (!words.length || holds(prompt, words));
    });
  }

  function holds(prompt, words) {
    const place = prompt.places[chosen.language];
    const answers = chosen.models.map((model) => (model === null ? null : given(prompt, model))).filter(Boolean);
    const raws = answers.flatMap((answer) => answer.said.flatMap((said) => [whole(texts[said[4]]), whole(texts[said[5]])]));
    const all = plain([prompt.id, whole(texts[place[0]]), whole(texts[place[1]]), ...answers.map((answer) => whole(answer.text)), ...raws].join("\n"));
    return words.every((word) => all.includes(word));
  }

  // --- the page
  function make(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  // A text as it came: its own direction, its language where that is known, and a mark where something was left out.
  function text(name, className, value, code) {
    const element = make(name, { className: `text ${className}`.trim(), dir: "auto" });
    if (code && code !== "und") element.lang = code;
    if (!Array.isArray(value)) element.textContent = value;
    else element.append(value[0], make("span", { className: "cut" }, ` … ${value[2].toLocaleString("en")} characters left out${value[1] ? " … " : ""}`), value[1]);
    return element;
  }

  const nameOf = (code) => (languages.find((one) => one.code === code) || { name: code }).name;
  const mark = (words, colour = "") => make("span", { className: `mark${colour}` }, words);

  function marksOf(answer) {
    const shown = [];
    if (answer.outcome) shown.push(mark(WORDS[answer.outcome] || answer.outcome, COLOUR[answer.outcome]));
    if (answer.exact !== null) shown.push(mark(answer.exact ? "exact" : "not exact", answer.exact ? " good" : ""));
    if (answer.right === false) shown.push(mark(`in ${nameOf(answer.spoken)}, not ${language().name}`, " bad"));
    else if (answer.right === true) shown.push(mark(`in ${nameOf(answer.spoken)}`));
    else if (answer.spoken) shown.push(mark("language undecided"));
    if (!answer.complete) shown.push(mark("cut off at the token limit", " bad"));
    return make("p", { className: "marks" }, ...shown);
  }

  const line = (head, ...rest) => make("p", {}, make("strong", {}, head), ...rest);
  const muted = (words) => make("p", { className: "muted" }, words);

  // The fold-out of a pair: the other answer, and what was said in both orders, word for word.
  function verdict(answer, prompt) {
    if (["self", "identical", ""].includes(answer.outcome)) return null;
    const other = answer.reference === null ? null : given(prompt, answer.reference);
    const body = other ? [line("Reference: ", models[answer.reference].name), text("div", "raw", other.text, other.spoken), marksOf({ ...other, outcome: "" })] : [];
    for (const said of answer.said) body.push(...testimony(said, answer.said.length > 1));
    if (!answer.said.length) body.push(muted(answer.outcome === "unjudged" ? "Nobody has been asked yet." : "What was said is not in the files of this workspace."));
    const ruled = answer.said.length === 1 && !answer.said[0][1] && UNANIMOUS[answer.said[0].slice(2, 4).join(" ")];
    if (ruled && ruled !== answer.outcome) body.push(muted(`By the judge a ${ruled}; by the rules of the score (language_gate) a ${answer.outcome}.`));
    return make("details", { className: "verdict" }, make("summary", {}, "Reference and verdict"), ...body);
  }

  function testimony([voice, person, forth, back, forthRaw, backRaw], several) {
    if (person) return [line(`${voice}: `, BETTER[forth] || forth)];
    const order = (title, outcome, raw) => [line(`${several ? `${voice}, ` : ""}${title} shown first: `, BETTER[outcome] || outcome), raw ? text("div", "raw", texts[raw]) : muted("Its raw text was not found.")];
    const same = forth === back && forth in MIRROR ? [muted(`Both times the one shown ${forth}: a contradiction.`)] : [];
    return [...order(several ? "this answer" : "This answer", forth, forthRaw), ...order(several ? "the reference's" : "The reference's", MIRROR[back] || back, backRaw), ...same];
  }

  function reply(prompt, model) {
    const answer = given(prompt, model);
    const card = make("div", { className: "reply" }, make("div", { className: "who" }, models[model].name));
    if (!answer) card.append(make("p", { className: "none" }, "no answer to this prompt here"));
    else card.append(text("div", "", answer.text, answer.spoken), marksOf(answer), verdict(answer, prompt) || "");
    return card;
  }

  function article(prompt) {
    const [instruction, reference] = prompt.places[chosen.language];
    const columns = chosen.models.filter((model) => model !== null);
    return make(
      "article", {}, make("code", { className: "id" }, prompt.id),
      instruction ? text("p", "question", texts[instruction], chosen.language) : null,
      reference ? make("p", { className: "key", dir: language().rtl ? "rtl" : "ltr" }, make("span", { className: "muted" }, "Reference answer "), text("span", "", texts[reference], chosen.language)) : null,
      make("div", { className: "replies" }, ...columns.map((model) => reply(prompt, model))),
    );
  }

  // --- what can be chosen
  const controls = {};
  function select(name, label, change, className = "") {
    controls[name] = make("select", { name });
    controls[name].addEventListener("change", () => change(controls[name].value));
    return make("label", { className }, make("span", {}, label), controls[name]);
  }

  function fill(element, entries, value) { // entries: [value, words], or [group, entries]
    const option = ([value, words]) => make("option", { value }, words);
    element.replaceChildren(...entries.map(([head, rest]) => (Array.isArray(rest) ? make("optgroup", { label: head }, ...rest.map(option)) : option([head, rest]))));
    element.value = value;
    if (element.selectedIndex < 0) element.selectedIndex = 0;
    return element.value;
  }

  function fillModels() {
    const here = new Set(language().models.filter((model) => models[model].kept));
    const entries = (list) => list.filter((model) => here.has(model)).map((model) => [String(model), models[model].name]);
    const rest = models.map((_, model) => model).filter((model) => !shown.includes(model));
    const groups = [
      ["Shown in the figures", entries(shown)],
      ["Tuned on one language", entries(rest.filter((model) => models[model].languages === 1))],
      ["Tuned on several languages", entries(rest.filter((model) => models[model].languages > 1))],
      ["Others", entries(rest.filter((model) => models[model].languages < 1))],
    ].filter(([, list]) => list.length);
    for (let column = 0; column < COLUMNS; column += 1) {
      const none = column ? [["", "none"]] : [];
      const value = chosen.models[column] === null || chosen.models[column] === undefined ? "" : String(chosen.models[column]);
      const taken = fill(controls[`model${column}`], [...none, ...groups], value);
      chosen.models[column] = taken === "" ? null : Number(taken);
    }
  }

  function fillFilters() {
    const columns = chosen.models.map((model, column) => [column, model]).filter(([, model]) => model !== null);
    chosen.of = Number(fill(controls.of, columns.map(([column, model]) => [String(column), models[model].name]), String(chosen.of)));
    const answers = prompts.map((prompt) => (prompt.places[chosen.language] ? given(prompt, chosen.models[chosen.of]) : null)).filter(Boolean);
    const count = (name, value) => answers.filter((answer) => TESTS[name](answer, value)).length;
    const counted = (name, entries) => entries.map(([value, words]) => [value, words, count(name, value)]).filter(([value, , number]) => number || chosen[name] === value).map(([value, words, number]) => [value, `${words} (${number})`]);
    const spoken = [...new Set(answers.map((answer) => answer.spoken).filter(Boolean))].sort((a, b) => count("spoken", `in ${b}`) - count("spoken", `in ${a}`));
    const each = spoken.map((code) => [`in ${code}`, code === "und" ? "undecided" : `in ${nameOf(code)}`]);
    const outcomes = ["win", "tie", "loss", "invalid", "identical", "self", "unjudged"].map((name) => [name, WORDS[name]]);
    chosen.outcome = fill(controls.outcome, [["", "any"], ...counted("outcome", outcomes)], chosen.outcome);
    chosen.spoken = fill(controls.spoken, [["", "any"], ...counted("spoken", [["right", "the language asked"], ["wrong", "a wrong language"], ...each])], chosen.spoken);
    chosen.exact = fill(controls.exact, [["", "any"], ...counted("exact", [["yes", "yes"], ["no", "no"]])], chosen.exact);
  }

  const list = make("div", { className: "list", tabIndex: -1 });
  const pagers = [];
  function pager(bottom) {
    const said = make("p", { className: "said muted" });
    if (!bottom) said.setAttribute("role", "status");
    const step = (by) => () => {
      chosen.page += by;
      draw();
      if (bottom) { list.scrollIntoView({ block: "start" }); list.focus({ preventScroll: true }); }
    };
    const button = (words, by) => {
      const element = make("button", { type: "button" }, words);
      element.addEventListener("click", step(by));
      return element;
    };
    const back = button("← Previous", -1), on = button("Next →", 1);
    pagers.push({ said, back, on, element: make("div", { className: "pager" }, said, back, on) });
    return pagers[pagers.length - 1].element;
  }

  function draw() {
    const here = found(), pages = Math.max(1, Math.ceil(here.length / PAGE));
    chosen.page = Math.max(0, Math.min(chosen.page, pages - 1));
    const start = chosen.page * PAGE;
    list.replaceChildren(...here.slice(start, start + PAGE).map(article));
    if (!here.length) list.append(make("p", { className: "none muted" }, "No prompt is like that; loosen the filters."));
    const every = prompts.filter((prompt) => prompt.places[chosen.language]).length;
    const range = here.length ? `${start + 1}–${Math.min(start + PAGE, here.length)} of ` : "";
    for (const { said, back, on } of pagers) {
      said.textContent = `${range}${here.length.toLocaleString("en")} prompts${here.length < every ? ` (filtered from ${every.toLocaleString("en")})` : ""}`;
      back.disabled = chosen.page === 0;
      on.disabled = chosen.page >= pages - 1;
    }
    pagers[1].element.hidden = here.length <= PAGE;
  }

  function change(how) { // choose anew, from what there is then
    how();
    chosen.page = 0;
    fillModels();
    fillFilters();
    draw();
  }

  function reset() {
    Object.assign(chosen, { outcome: "", spoken: "", exact: "", words: "" });
    controls.words.value = "";
  }

  function build() {
    chosen.language = (languages[1] || languages[0]).code;
    chosen.models = shown.slice(0, COLUMNS);
    controls.words = make("input", { type: "search", name: "words", autocomplete: "off", spellcheck: false, dir: "auto" });
    controls.words.addEventListener("input", () => { chosen.words = controls.words.value; chosen.page = 0; draw(); });
    const clear = make("button", { type: "button" }, "Clear filters");
    clear.addEventListener("click", () => change(reset));
    const filter = (name) => (value) => change(() => { chosen[name] = value; });
    const columns = Array.from({ length: COLUMNS }, (_, column) =>
      select(`model${column}`, `Model ${column + 1}`, (value) => change(() => { chosen.models[column] = value === "" ? null : Number(value); })));
    const form = make(
      "form", { className: "controls" },
      make("fieldset", {}, make("legend", {}, "Side by side"), select("language", "Language", (value) => change(() => { chosen.language = value; }), "wide"), ...columns),
      make(
        "fieldset", {}, make("legend", {}, "Only prompts where"),
        select("of", "this model", (value) => change(() => { chosen.of = Number(value); }), "wide"),
        select("outcome", "has the outcome", filter("outcome")), select("spoken", "answered in", filter("spoken")), select("exact", "is exact", filter("exact")),
        make("label", {}, make("span", {}, "text contains"), controls.words), clear,
      ),
    );
    form.addEventListener("submit", (event) => event.preventDefault());
    fill(controls.language, languages.map((one) => [one.code, `${one.name} (${one.code})`]), chosen.language);
    const browser = section.querySelector(".browser");
    const hint = "Under an answer, “Reference and verdict” opens the answer that it was compared with, and what was said of the two, word for word.";
    browser.append(muted(hint), form, pager(false), list, pager(true));
    change(() => {});
    browser.hidden = false;
    section.querySelector(".samples").hidden = true;
  }

  function fail(words) {
    const note = section.querySelector(".failed");
    note.textContent = words;
    note.hidden = false;
  }

  if (typeof DecompressionStream === "undefined") fail("This browser is too old to unpack all the answers that came with this page (it lacks DecompressionStream); some of them follow.");
  else unpack().then(build).catch((error) => fail(`The answers that came with this page could not be unpacked (${error.message}); some of them follow.`));
})();
