"""The report in a real browser: charts that answer to pointer and keys, tables that sort, and nothing loaded.

The browser is driven as in test_human_page; without one these tests are skipped."""

import csv
import io
import json
from types import SimpleNamespace

import pytest

from pinch.analysis.charts import Dot, DotChart, LineChart, MapChart, Panel, Series
from pinch.analysis.figures import Picture
from pinch.analysis.report import CellRow, Chapter, Mean, Report, render_html, show
from pinch.analysis.sections import Exhibit, Gap
from test_human_page import CHROMIUM, Browser
from test_report import NASTY, SVG, score

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no browser")

X = (0.0, 1.0, 2.0)
SEEN, LOW, HIGH = (11.25, 34.5, 47.75), (10.0, 32.5, 46.0), (12.5, 36.5, 49.5)
ROWS = [{"line": "seen", "x": x, "mean": y, "low": a, "high": b} for x, y, a, b in zip(X, SEEN, LOW, HIGH, strict=True)]

LINES = LineChart(
    "share",
    ((0.0, "0 %\n0"), (1.0, "1 %\n12"), (2.0, "100 %\n1,200")),
    (
        Panel(
            "Score",
            (
                Series("seen", "seen", X, SEEN, LOW, HIGH, ("1 model", "2 models", "3 models")),
                Series(NASTY, "one", X, (20.0, float("nan"), 40.0), on=False),
                Series("fi", "one", X, (10.0, 20.0, 30.0), on=False),
            ),
            par=50,
        ),
        Panel("Language", (Series("seen", "seen", X, (1.0, 50.0, 99.0)),), " %"),
    ),
)
ALONE = LineChart(
    "share",
    ((0.0, "0 % (0)"), (1.0, "50 % (600,000)"), (2.0, "100 % (1,200,000)")),
    (Panel("Score", (Series("seen", "seen", X, SEEN, LOW, HIGH),)),),
)
MAP = MapChart(
    ("en", NASTY), ("en", "ar", "mean"), ((50.0, 12.34, 12.34), (33.3, None, 33.3)),
    (("itself", "[10.0, 14.0], below par", "1 language"), ("above par", "no model", "")),
    ((True, False, True), (False, False, True)), "tuned on", "asked in",
)  # fmt: skip
DOTS = DotChart(
    "share, %",
    "score",
    (Dot("en", 0.05, 40.0, 38.0, 42.0, "a file"), Dot(NASTY, 9.0, 45.5), Dot("fi", 1.0, 30.0)),
    log_x=True,
)


def exhibit(name, *charts):
    return show(
        Exhibit(name, f"Title of {name}", "caption", ROWS, None, charts), Picture(name, {"wide": SVG, "narrow": SVG})
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    chapters = [
        Chapter(
            "Lines", "lines", [exhibit("lines", LINES)], gaps=[(Gap("x", "Y", "it needs z"), "python train.py -m z")]
        ),
        Chapter("Alone", "alone", [exhibit("alone", ALONE)]),
        Chapter("Maps", "maps", [exhibit("maps", MAP)]),
        Chapter("Dots", "dots", [exhibit("dots", DOTS)]),
        Chapter("Broken", "broken", [exhibit("broken", LineChart("x", (), (), kind="nothing"))]),
        Chapter("Picture", "picture", [exhibit("picture")]),
    ]
    cells = [
        CellRow(f"cell-{at}", name, 1.0, str(at), mean, None, None, None, None, None, None, "judged")
        for at, (name, mean) in enumerate([("fi", Mean(9.5, 8.0, 11.0)), ("ar", None), ("en", Mean(10.5))])
    ]
    scores = [score(f"c{at % 4}", ("ar", "fi")[at % 2], float(at)) for at in range(119)] + [score("c0", NASTY, None)]
    folder = tmp_path_factory.mktemp("page")
    text = render_html(Report("study", "lead", chapters=chapters, cells=cells, scores=scores))
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def browser(process, path, tmp_path):
    process.begin(tmp_path / "downloads")
    process.open(SimpleNamespace(path=path))
    process.wait("document.querySelector('#lines .panels svg .line') !== null")
    yield process
    process.end()
    assert process.errors == []
    assert {url for url in process.requests if url != "about:blank"} == {path.as_uri()}


def each(browser, selector, what="e.textContent"):
    """Something of every element that a selector finds."""
    return browser.js(f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => {what})")


def choose(browser, value):
    """The language in the filter of the scores."""
    change = f"s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change'));"
    browser.js(f"(() => {{ const s = document.querySelector('#score-table select'); {change} }})()")


def key(browser, name):
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)


def tip(browser, part):
    """What the box beside the pointer says, place by place."""
    return [text for text in each(browser, f"#{part} .tip:not([hidden]) :is(.tip > strong, td)") if text]


def test_charts_hold_the_numbers_of_the_csv(browser):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(ROWS[0]))
    writer.writeheader()
    writer.writerows(ROWS)
    rows = list(csv.DictReader(io.StringIO(buffer.getvalue())))
    found = json.loads(browser.text("#lines script.charts"))[0]["panels"][0]["series"][0]
    for name, column in (("y", "mean"), ("low", "low"), ("high", "high")):
        assert found[name] == [float(row[column]) for row in rows]


def test_marks_stand_where_their_values_are(browser):
    assert each(browser, "#lines .panels svg", "e.querySelectorAll('circle').length") == [3, 3]
    heights = each(browser, "#lines .panels svg circle", "+e.getAttribute('cy')")[:3]
    ratio = (heights[0] - heights[1]) / (heights[0] - heights[2])
    assert ratio == pytest.approx((SEEN[1] - SEEN[0]) / (SEEN[2] - SEEN[0]), abs=1e-3)


def test_arrow_keys_read_all_lines_at_one_place(browser):
    browser.js("document.querySelector('#lines .panels svg').focus()")
    key(browser, "ArrowRight")
    assert tip(browser, "lines") == ["0 % · 0", "seen", "11.3", "[10.0, 12.5] 1 model"]
    key(browser, "ArrowRight")
    assert tip(browser, "lines") == ["1 % · 12", "seen", "34.5", "[32.5, 36.5] 2 models"]
    assert browser.js("document.querySelectorAll('#lines .cross').length") == 2, "in every panel"
    key(browser, "Escape")
    assert tip(browser, "lines") == []


def test_the_pointer_reads_the_nearest_place(browser):
    browser.js("document.querySelector('#lines .panels svg').scrollIntoView({ block: 'center' })")
    box = each(browser, "#lines .panels svg", "e.getBoundingClientRect().toJSON()")[0]
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + box["width"] - 20, y=box["y"] + 60)
    assert tip(browser, "lines")[:3] == ["100 % · 1,200", "seen", "47.8"]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_last_label_of_an_axis_stays_inside(browser, path, width):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    browser.open(SimpleNamespace(path=path))
    browser.wait("document.querySelector('#alone .panels svg .line') !== null")
    right = "e.getBoundingClientRect().right"
    (edge,) = each(browser, "#alone .panels svg", right)
    assert "100 % (1,200,000)" in each(browser, "#alone .panels svg text")
    assert max(each(browser, "#alone .panels svg text", right)) <= edge + 1


def test_keys_switch_lines_on_and_off(browser):
    lines = "document.querySelector('#lines .panels svg').querySelectorAll('.line').length"
    assert browser.js(lines) == 1
    browser.click("#lines .keys button:nth-child(2)")
    assert browser.js(lines) == 3, "a gap breaks a line in two"
    browser.js("document.querySelector('#lines .panels svg').focus()")
    key(browser, "ArrowLeft")
    assert tip(browser, "lines") == ["100 % · 1,200", "seen", "47.8", "[46.0, 49.5] 3 models", NASTY, "40.0"]
    browser.click("#lines .keys button:nth-child(1)")
    assert browser.js("document.querySelector('#lines .keys button').getAttribute('aria-pressed')") == "false"
    assert browser.js(lines) == 2
    browser.click("#lines .keys .all")
    assert browser.js(lines) == 3


def test_single_lines_that_are_switched_on_have_colours_and_names(browser):
    browser.click("#lines .keys .all")
    assert len(set(each(browser, "#lines .panels svg .line.thin", "getComputedStyle(e).stroke"))) == 2
    assert "fi" in each(browser, "#lines .panels svg text")


def test_maps_are_tables_whose_places_say_more(browser):
    body = each(browser, "#maps .map tbody tr", "[...e.cells].map((one) => one.textContent)")
    assert body == [["en", "50", "12", "12"], [NASTY, "33", "", "33"]]
    browser.js("document.querySelector('#maps .map td').focus()")
    key(browser, "ArrowRight")
    assert tip(browser, "maps") == ["tuned on en, asked in ar", "12.3", "[10.0, 14.0], below par"]
    key(browser, "ArrowDown")
    assert tip(browser, "maps") == [f"tuned on {NASTY}, asked in ar", "nothing there", "no model"]
    assert each(browser, "#maps [data-mark]", "e.dataset.mark") == ["▼", "▲"]
    assert browser.js("document.querySelectorAll('#maps td.none').length") == 1
    assert browser.js("document.querySelector('#maps td.bare').style.background") == ""


def test_dots_are_read_from_left_to_right(browser):
    browser.js("document.querySelector('#dots .panels svg').focus()")
    key(browser, "ArrowRight")
    assert tip(browser, "dots") == ["en", "share, %: 0.05", "score: 40.0 [38.0, 42.0]", "a file"]
    key(browser, "ArrowRight")
    assert tip(browser, "dots") == ["fi", "share, %: 1", "score: 30.0 "]
    assert {"en", "fi"} <= set(each(browser, "#dots svg .label"))


def test_the_picture_is_behind_a_switch(browser):
    shown = "[...document.querySelectorAll('#lines .drawings, #lines .live')].map((e) => e.offsetHeight > 0)"
    assert browser.js(shown) == [True, False]
    browser.click("#lines .switch button:nth-child(2)")
    assert browser.js(shown) == [False, True]
    browser.click("#lines .switch button:nth-child(1)")
    assert browser.js(shown) == [True, False]


def test_what_cannot_be_drawn_keeps_its_picture(browser):
    for part in ("broken", "picture"):
        assert browser.js(f"document.querySelector('#{part} svg.wide').getBoundingClientRect().height") > 0
        assert browser.js(f"document.querySelector('#{part} .switch')") is None


def test_tables_sort_by_number_with_nothing_last(browser):
    column = "[...document.querySelectorAll('#cells tbody tr')].map((r) => r.cells[0].textContent)"
    browser.click("#cells th:nth-child(4) button")
    assert browser.js(column) == ["fi", "en", "ar"]
    browser.click("#cells th:nth-child(4) button")
    assert browser.js(column) == ["en", "fi", "ar"]
    assert browser.js("document.querySelector('#cells th:nth-child(4)').getAttribute('aria-sort')") == "descending"


def test_scores_come_in_pages_that_can_be_filtered_and_sorted(browser):
    where, rows = "#score-table .pager span", "document.querySelectorAll('#score-table tbody tr').length"
    assert (browser.text(where), browser.js(rows)) == ("1 to 50 of 120", 50)
    browser.click("#score-table .pager button:nth-child(2)")
    browser.click("#score-table .pager button:nth-child(2)")
    assert (browser.text(where), browser.js(rows)) == ("101 to 120 of 120", 20)
    choose(browser, "fi")
    assert browser.text(where) == "1 to 50 of 59"
    browser.click("#score-table th:nth-child(7) button")
    browser.click("#score-table th:nth-child(7) button")
    assert browser.text("#score-table tbody td:nth-child(7)") == "117.0"
    browser.click("#score-table input")
    browser.type("c1 ar")
    assert browser.text(where) == "1 to 30 of 30"
    browser.type(" nowhere")
    assert browser.text(where) == "no line fits"


def test_user_text_is_text_in_every_table(browser):
    choose(browser, NASTY)
    assert browser.text("#score-table tbody td:nth-child(4)") == NASTY
    assert browser.js("document.title") == "study · Pinch"


def test_commands_can_be_copied(browser):
    browser.js("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    browser.click("#lines .command button")
    browser.wait("document.querySelector('#lines .command button').textContent === 'Copied'")
    assert browser.js("window.copied") == "python train.py -m z"


def test_the_contents_follow_the_reader(browser):
    browser.js("document.getElementById('models').scrollIntoView()")
    browser.wait("document.querySelector('.contents [aria-current]').hash === '#models'")


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_nothing_is_wider_than_the_window(browser, path, width):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    browser.open(SimpleNamespace(path=path))
    browser.wait("document.querySelector('#lines .panels svg .line') !== null")
    assert browser.js("document.documentElement.scrollWidth") <= width
    narrow = browser.js("getComputedStyle(document.querySelector('#picture svg.narrow')).display")
    assert (narrow == "block") == (width < 641)


def test_without_javascript_pictures_and_tables_are_there(browser, path):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(SimpleNamespace(path=path))
    assert browser.js("document.querySelector('#lines svg.wide').getBoundingClientRect().height") > 0
    assert "scores.csv" in browser.text("#scores noscript")
    assert browser.js("document.querySelectorAll('#cells tbody tr').length") == 3
    assert browser.js("document.getElementById('score-table').offsetHeight") == 0
