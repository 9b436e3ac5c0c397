"""The report: everything is escaped, nothing is loaded from elsewhere, every part is there only when it has something."""

import re
from html.parser import HTMLParser

import pytest

from pinch.analysis.figures import Picture
from pinch.analysis.report import CellRow, Report, number, plain, render_html, render_markdown, show
from pinch.analysis.samples import Asked, Reply, Sample
from pinch.analysis.sections import Exhibit, Finding, Gap

NASTY = "<script>alert('x')</script> & \"quoted\" | * \u2028 {{ report }} ]]>"


def full():
    picture = Picture("p_curve", {(t, w): f"<svg>{t}{w}</svg>" for t in ("light", "dark") for w in ("wide", "narrow")})
    replies = (
        Reply("English alone", NASTY, True, "loss", False, False),
        Reply("1 % multilingual", "", False, "win", True, True),
        Reply("reference", "ينאير", False, "is the reference", None, None),
    )
    return Report(
        workspace=NASTY,
        lead=NASTY,
        findings=[Finding("pinch", NASTY, NASTY)],
        facts=[(NASTY, NASTY)],
        figures=[show(Exhibit("p_curve", NASTY, NASTY, [], None), picture)],
        gaps=[(Gap("language_count", "How many", "it needs more", "-m x"), "python train.py -m x")],
        cells=[CellRow("cell-1", NASTY, 1.0, "0", 50.0, None, -1.25, 3.0, 4.0, None, 5.0, "judged")],
        samples=[Sample("ar", "Arabic", "rtl", (Asked("p0", NASTY, NASTY, replies),))],
        limits=[NASTY],
        commands=["python evaluate.py"],
        against="monolingual",
    )


class Checker(HTMLParser):
    """Collects tags and attributes, and complains about tags that do not close in order."""

    VOID = frozenset({"meta", "source", "img", "link", "br", "hr"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


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
    assert parsed.tags.count("script") == 1, "the page's own few lines, and no other"
    assert "&lt;script&gt;" in page


def test_templates_in_answers_are_not_run(page):
    assert "{{ report }}" in page


def test_the_page_loads_nothing(page, parsed):
    for name, value in parsed.attributes:
        if name in ("src", "srcset", "href", "data", "action"):
            assert value.startswith(("data:", "#")) or re.fullmatch(r"[\w.-]+\.(csv|png|svg)", value), (name, value)
    assert "@import" not in page
    assert "url(" not in page


def test_figures_come_light_and_dark_wide_and_narrow(parsed):
    sources = [value for name, value in parsed.attributes if name in ("src", "srcset")]
    assert len(sources) == 4
    assert len(set(sources)) == 4


def test_answers_say_their_language_and_direction(parsed, page):
    assert ("lang", "ar") in parsed.attributes
    assert ("dir", "rtl") in parsed.attributes
    assert ("dir", "auto") in parsed.attributes
    assert ">is the reference<" in page


def test_numbers_of_tables():
    assert (number(None), number(-1.25), number(3.14159, 2)) == ("–", "−1.2", "3.14")


def test_markdown_stays_what_it_is():
    text = render_markdown(full())
    assert "<script" not in text
    assert "\\*" in text
    assert "![" in text
    assert plain("a|b\nc <i> #1 `x`") == "a\\|b c &lt;i&gt; \\#1 \\`x\\`"
    assert all(len(line.split("\n")) == 1 for line in text.split("\n"))


def test_an_empty_report_is_still_a_page():
    empty = Report("study", "nothing yet")
    text = render_html(empty)
    assert "Nothing can be said yet" in text
    assert 'id="answers"' not in text
    assert "Nothing can be said yet" in render_markdown(empty)
