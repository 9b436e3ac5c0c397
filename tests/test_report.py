"""The report: everything is escaped, nothing is loaded from elsewhere, every part is there only when it has something."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from jinja2 import ChoiceLoader, DictLoader

from pinch.analysis import report
from pinch.analysis.charts import LineChart, Panel, Series
from pinch.analysis.figures import Picture
from pinch.analysis.report import (
    BIBTEX,
    CITATION,
    CellRow,
    Chapter,
    Mean,
    Report,
    chance,
    effect,
    half,
    number,
    plain,
    render_html,
    render_markdown,
    sentence,
    show,
)
from pinch.analysis.sections import Exhibit, Finding, Gap, Result
from pinch.analysis.tables import Row

NASTY = "<script>alert('x')</script> & \"quoted\" | * \u2028 {{ report }} ]]>"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 36"><path d="M 0 0 L 1 1" style="fill: #ffffff"/></svg>'


def score(cell="cell-1", language="ar", value=12.3456, **changes):
    known = dict.fromkeys(Row.__dataclass_fields__, 0) | {"cell": cell, "language": language, "languages": "en+ar"}
    return Row(**known | {"score": value, "fraction": 0.5, "against": "monolingual", "role": "seen", **changes})


def chapter(**changes):
    picture = Picture("p_curve", {"wide": SVG, "narrow": SVG})
    lines = LineChart(NASTY, ((0.0, NASTY),), (Panel(NASTY, (Series(NASTY, "seen", (0.0,), (50.0,)),)),))
    known = {
        "title": NASTY,
        "key": "share",
        "shown": [show(Exhibit("p_curve", f"Curve {NASTY}", NASTY, [], None, [lines]), picture)],
        "findings": [Finding("pinch", NASTY, NASTY, (NASTY,))],
        "gaps": [(Gap("language_count", "How many", "it needs more", "-m x"), f"python train.py -m {NASTY}")],
        "results": [
            Result(NASTY, -2.25, -4.0, -0.5, NASTY, NASTY, 0.0001, 2.5),
            Result("r", 0.216, None, None, "11 languages", "Fisher", None, None, "r"),
        ],
        "limits": [NASTY],
    }
    return Chapter(**known | changes)


def full():
    return Report(
        workspace=NASTY,
        lead=NASTY,
        headline=[Finding("short", "In short", NASTY)],
        chapters=[chapter()],
        facts=[(NASTY, NASTY)],
        cells=[
            CellRow("cell-1", NASTY, 1.0, "0", Mean(50.0), None, Mean(-1.25, -3.0, 0.5), 3.0, 4.0, None, 5.0, NASTY)
        ],
        scores=[score(), score("cell-1", NASTY), score("cell-2", "fi", None)],
        limits=[NASTY],
        commands=["python evaluate.py"],
        latex=["tables/results.tex"],
        against=NASTY,
    )


class Checker(HTMLParser):
    """Collects tags, attributes and script data, and complains about tags that do not close in order."""

    VOID = frozenset({"meta", "link", "br", "hr", "path"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.json = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script" and ("type", "application/json") in attrs:
            self.json.append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] == "script" and self.json and "=>" not in text:
            self.json[-1] += text


@pytest.fixture(scope="module")
def page():
    return render_html(full())


@pytest.fixture(scope="module")
def parsed(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    return checker


def test_user_text_never_becomes_markup(page, parsed):
    assert "alert('x')</script>" not in page
    assert "<script>alert" not in page
    assert parsed.tags.count("script") == 4, "the page's own two and two of data, and no other"
    assert "&lt;script&gt;" in page


def test_templates_in_user_text_are_not_run(page):
    assert page.count("{{ report }}") > 10


def test_data_is_whole_and_cannot_end_its_element(parsed):
    charts, scores = (json.loads(text) for text in parsed.json)
    assert charts[0]["kind"] == "lines"
    assert charts[0]["panels"][0]["series"][0]["name"] == NASTY
    assert scores["rows"][1][scores["columns"].index("language")] == NASTY


def test_scores_name_every_cell_once_and_have_two_decimals(parsed):
    scores = json.loads(parsed.json[1])
    assert [cell[0] for cell in scores["cells"]] == ["cell-1", "cell-2"]
    assert scores["cells"][0] == ["cell-1", "en+ar", 50.0, 0]
    at = scores["columns"].index("score")
    assert [(row[0], row[at]) for row in scores["rows"]] == [(0, 12.35), (0, 12.35), (1, None)]


def test_the_page_loads_nothing_and_forbids_itself_to(page, parsed):
    for name, value in parsed.attributes:
        if name in ("src", "srcset", "href", "data", "action"):
            assert value.startswith(("data:", "#")) or re.fullmatch(r"[\w./-]+\.(csv|png|svg|tex)", value), (
                name,
                value,
            )
    policy = next(value for name, value in parsed.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'")
    assert "@import" not in page
    assert not [found for found in re.findall(r"url\(([^)]*)\)", page) if not found.startswith(("#", "data:"))]
    assert "http" not in re.sub(r"http://www\.w3\.org/\d+/svg|http-equiv", "", page)


def test_links_of_the_contents_lead_somewhere(parsed):
    targets = {value for name, value in parsed.attributes if name == "id"}
    links = {value[1:] for name, value in parsed.attributes if name == "href" and value.startswith("#")}
    assert {"findings", "run", "share", "models", "scores", "limits", "cite", "reproduce"} <= links <= targets


def test_ids_are_not_given_twice(parsed):
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_results_have_effect_interval_n_p_and_what_could_have_been_seen(page):
    line = next(line for line in page.split("\n") if "<tr><td" in line and "0.22" in line)
    assert re.sub("<[^>]*>", "|", line).strip("|").split("||") == [
        "r", "0.22", "–", "r", "11 languages", "–", "Fisher", "–",
    ]  # fmt: skip
    assert "[−4.0, −0.5]" in page
    assert "&lt; 0.001" in page


def test_a_missing_figure_says_why_and_with_which_command(page):
    assert "<strong>Missing: How many.</strong> It needs more." in page
    assert "<pre>python train.py -m &lt;script&gt;" in page


@pytest.fixture(scope="module", params=[render_html, render_markdown])
def told(request):
    """What is told without its markup: a headline of three, one of them with a brief, one of no chapter; two chapters with
    a figure, one begins with the short answer, one with the brief."""
    short, pairs = Finding("short", "In short", "ANSWER"), Finding("pairs", "Pairs", "WHOLE", ("POINT",), "BRIEF")
    alone, steps = Finding("alone", "Alone", "OF-ONE", ("POINT",)), Finding("steps", "Steps", "OF-ALL")
    known = {"title": "A chapter", "results": [], "gaps": [], "limits": []}
    chapters = [
        chapter(key="share", findings=[short, alone, steps], **known),
        chapter(key="pairs", findings=[pairs, steps], **known),
    ]
    headline = [short, pairs, Finding("relatives", "Relatives", "NOWHERE", ("POINT",))]
    return request.param(Report("study", "lead", headline=headline, chapters=chapters))


def test_the_top_has_briefs_and_chapters_begin_with_a_finding_then_figures(told):
    words = re.findall(r"ANSWER|BRIEF|WHOLE|NOWHERE|POINT|OF-ONE|OF-ALL|p_curve\.png", told)
    top = ["ANSWER", "BRIEF", "NOWHERE"]
    share, pairs = ["OF-ONE", "POINT", "p_curve.png", "OF-ALL"], ["BRIEF", "p_curve.png", "WHOLE", "POINT", "OF-ALL"]
    assert words == [*top, *share, *pairs], "the short answer is not told again"


@pytest.mark.parametrize("told", [render_html], indirect=True)
def test_findings_on_top_lead_to_their_chapters(told):
    assert '<li class="short"><strong><a href="#share">In short</a>.</strong> ANSWER</li>' in told
    assert '<strong><a href="#pairs">Pairs</a>.</strong> BRIEF</li>' in told
    assert "<strong>Relatives.</strong> NOWHERE</li>" in told


def test_models_have_half_the_width_of_their_intervals(page):
    assert "−1.2 <small>±1.8</small>" in page
    assert "50.0 <small></small>" in page


def test_answers_are_the_part_of_another_template(monkeypatch):
    with_answers = report._environment.__wrapped__(True)
    stub = DictLoader({"answers.html.j2": '<section id="answers">{{ answers.said }}</section>'})
    with_answers.loader = ChoiceLoader([stub, with_answers.loader])
    monkeypatch.setattr(report, "_environment", lambda escaping: with_answers)
    text = render_html(Report("study", "lead", answers={"said": NASTY}))
    assert '<a href="#answers">' in text
    assert '<section id="answers">&lt;script&gt;' in text


def test_numbers_of_tables():
    assert (number(None), number(-1.25), number(3.14159, 2), number(float("nan"))) == ("–", "−1.2", "3.14", "–")
    assert (effect(2.25, "points"), effect(0.216, "r"), effect(None, "r")) == ("2.2", "0.22", "–")
    assert (effect(132.0, "places"), effect(54.07, "% of pairs")) == ("132", "54.1")
    assert (chance(0.0004), chance(0.25), chance(None)) == ("< 0.001", "0.250", "–")
    assert (half(Mean(50.0, 47.0, 51.0)), half(Mean(50.0)), half(None)) == ("±3.0", "", "")
    assert (sentence("it needs more"), sentence("Is it?")) == ("It needs more.", "Is it?")


def test_markdown_stays_what_it_is():
    text = render_markdown(full())
    assert "<script" not in text.replace("`python train.py -m <script>", "")
    assert "\\*" in text
    assert "![" in text
    assert plain("a|b\nc <i> #1 `x`") == "a\\|b c &lt;i&gt; \\#1 \\`x\\`"
    assert "](p_curve.png)" in text
    assert "| r | 0.22 | – | r | 11 languages | – | Fisher | – |" in text
    tables = [line for line in text.split("\n") if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {3, 9, 11}, "every line has its table's columns"


def test_an_empty_report_is_still_a_page():
    empty = Report("study", "nothing yet")
    text = render_html(empty)
    assert "Nothing can be said yet" in text
    for part in ('id="answers"', 'id="scores"', 'id="score-data"', 'class="letters"'):
        assert part not in text
    assert "Nothing can be said yet" in render_markdown(empty)


def test_how_to_cite_is_what_the_citation_file_says():
    known = yaml.safe_load((Path(__file__).parents[1] / "CITATION.cff").read_text(encoding="utf-8"))
    paper = known["references"][0]
    for text in (known["title"], known["version"], known["authors"][0]["name"], paper["title"], str(paper["year"])):
        assert text in CITATION
        assert text in BIBTEX
    for author in paper["authors"]:
        assert author["family-names"] in CITATION
        assert f"{author['family-names']}, {author['given-names']}" in BIBTEX
    number = paper["identifiers"][0]["value"].removeprefix("arXiv:")
    assert number in CITATION
    assert number in BIBTEX
