"""The browser of answers as a reader uses it, in a real browser; without one these tests are skipped."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from fake_study import Shape, build
from months import WRONG, Workspace, add_five
from pinch.analysis import answers
from pinch.analysis.answers import browse
from pinch.analysis.study import arrange
from pinch.records import Answer, Item, Outcome, read_jsonl, write_jsonl
from test_human_page import CHROMIUM, NAMES, Browser
from test_verdicts import HF, parrot  # noqa: F401

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser: none of {', '.join(NAMES)} is installed")

TEMPLATES = Path(answers.__file__).parents[1] / "page"
NASTY = "</script><img src=x onerror=alert(1)>\u2028<!--"
READY = "document.readyState === 'complete' && Boolean(document.querySelector('#answers .browser'))"
BUILT = "!document.querySelector('#answers .browser').hidden"
FAILED = "!document.querySelector('#answers .failed').hidden"


def render(browser: answers.Browser) -> str:
    """The partial by itself, as the report includes it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("answers.html.j2").render(answers=browser)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("browser"))
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture
def tab(process: Browser, tmp_path: Path) -> Iterator[Browser]:
    process.begin(tmp_path / "downloads")
    yield process
    process.end()
    assert process.errors == []
    assert process.asked == [], "no dialog came up"


@pytest.fixture
def page(tmp_path: Path, parrot: Any) -> Path:  # noqa: F811
    """Five models, two languages, four prompts; one answer is hostile, and so is what the judge says."""
    workspace = Workspace(tmp_path)
    five = add_five(workspace)
    path = five["both"].answers_path("cs")
    said = read_jsonl(path, lambda row: Answer(**row))
    write_jsonl(path, [*said[:3], Answer("p3", "cs", NASTY, 1, False)])
    bird = parrot(lambda first, second: f"<b>{first}</b> or {second}")
    bird.read = lambda raw, facts: Outcome.second if raw.startswith(f"<b>{WRONG}") else Outcome.first
    workspace.evaluate(HF)
    cells = list(five.values())
    study = arrange((cell, read_jsonl(cell.items_path("parrot"), lambda row: Item(**row))) for cell in cells)
    shown = {"untuned": [five["untuned"]], "English alone": [five["en"]], "both": [five["both"]]}
    browser = browse(study, cells, shown, "monolingual", workspace.folder, "parrot")
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><title>x</title>{render(browser)}", encoding="utf-8")
    return page


def visit(tab: Browser, page: Path, until: str = BUILT) -> None:
    tab.call("Page.navigate", url=page.as_uri())
    tab.wait(READY)
    tab.wait(until)


def choose(tab: Browser, name: str, words: str) -> None:
    """Take the option of a control that begins with these words, as a hand would."""
    control = f"document.querySelector('#answers [name={name}]')"
    find = f"[...{control}.options].findIndex((option) => option.textContent.startsWith({json.dumps(words)}))"
    assert tab.js(f"{control}.selectedIndex = {find}") >= 0, words
    tab.js(f"{control}.dispatchEvent(new Event('change')); 0")


def search(tab: Browser, words: str) -> None:
    tab.js("document.querySelector('#answers [name=words]').select()")
    tab.type(words)


def options(tab: Browser, name: str) -> list[str]:
    found: list[str] = tab.js(
        f"[...document.querySelector('#answers [name={name}]').options].map((o) => o.textContent)"
    )
    return found


def prompts(tab: Browser) -> list[str]:
    found: list[str] = tab.js("[...document.querySelectorAll('#answers .list .id')].map((e) => e.textContent).sort()")
    return found


def card(tab: Browser, prompt: str, model: str) -> str:
    """All the text of one answer's card."""
    article = (
        f"[...document.querySelectorAll('#answers .list article')].find((e) => e.firstChild.textContent === '{prompt}')"
    )
    reply = f"[...{article}.querySelectorAll('.reply')].find((e) => e.firstChild.textContent === '{model}')"
    return str(tab.js(f"{reply}.textContent"))


def test_answers_stand_side_by_side_with_both_verdicts(tab: Browser, page: Path) -> None:
    visit(tab, page)
    assert tab.js("document.querySelector('#answers .samples').hidden")
    choose(tab, "language", "Czech")
    assert prompts(tab) == ["p0", "p1", "p2", "p3"]
    assert options(tab, "model0") == [
        *("untuned", "English alone, seed 0", "100 % en cs, seed 0"),  # shown in the figures
        *("Czech alone, seed 0", "100 % en cs, seed 1"),
    ]
    untuned = card(tab, "p0", "untuned")
    assert untuned.startswith("untunedzzzloss")
    assert "Reference: Czech alone, seed 0leden" in untuned
    assert "This answer shown first: the reference's is better<b>zzz</b> or leden" in untuned
    assert "The reference's shown first: the reference's is better<b>leden</b> or zzz" in untuned
    assert "contradiction" not in untuned
    both = card(tab, "p2", "100 % en cs, seed 0")
    assert "in English, not Czech" in both
    assert "This answer shown first: this answer is better<b>march</b> or květen" in both
    assert "Both times the one shown first: a contradiction." in both
    assert "same answer as the reference" in card(tab, "p0", "100 % en cs, seed 0")
    choose(tab, "model0", "Czech alone")
    assert card(tab, "p0", "Czech alone, seed 0").startswith("Czech alone, seed 0ledenis the reference")
    choose(tab, "model2", "none")
    assert tab.js("document.querySelectorAll('#answers .list article:first-child .reply').length") == 2
    assert {url for url in tab.requests if url != "about:blank"} == {page.as_uri()}


def test_texts_are_never_markup(tab: Browser, page: Path) -> None:
    visit(tab, page)
    choose(tab, "language", "Czech")
    hostile = card(tab, "p3", "100 % en cs, seed 0")
    assert NASTY in hostile
    assert f"<b>{NASTY}</b> or červen" in hostile
    assert "cut off at the token limit" in card(tab, "p0", "untuned"), "the first one is, in this workspace"
    assert tab.js("document.querySelectorAll('#answers img, #answers b').length") == 0


def test_filters(tab: Browser, page: Path) -> None:
    visit(tab, page)
    choose(tab, "language", "Czech")
    assert options(tab, "of") == ["untuned", "English alone, seed 0", "100 % en cs, seed 0"]
    assert options(tab, "outcome") == ["any", "loss (4)"]
    choose(tab, "of", "100 %")
    assert options(tab, "outcome") == ["any", "tie (2)", "same answer as the reference (2)"]
    choose(tab, "outcome", "tie")
    assert prompts(tab) == ["p2", "p3"]
    choose(tab, "spoken", "a wrong language (2)")
    assert prompts(tab) == ["p2", "p3"]
    choose(tab, "exact", "no (2)")
    choose(tab, "outcome", "same answer as the reference")
    assert prompts(tab) == [], "all of them hold"
    for name in ("exact", "outcome"):
        choose(tab, name, "any")
    choose(tab, "spoken", "the language asked (2)")
    assert prompts(tab) == ["p0", "p1"]
    choose(tab, "spoken", "any")
    search(tab, "IMG src")
    assert prompts(tab) == ["p3"], "a text that one of the answers holds"
    search(tab, "nothing like it")
    assert prompts(tab) == []
    assert "loosen the filters" in tab.text("#answers .list")
    assert tab.text("#answers .said") == "0 prompts (filtered from 4)"
    tab.click("#answers .controls button")
    assert prompts(tab) == ["p0", "p1", "p2", "p3"]
    choose(tab, "of", "English alone")
    choose(tab, "spoken", "in English (4)")
    assert prompts(tab) == ["p0", "p1", "p2", "p3"]
    choose(tab, "language", "English")
    assert options(tab, "spoken")[-1] == "in English (4)", "what is chosen stays where it still says something"


def test_every_text_has_its_own_direction_and_language(tab: Browser, page: Path) -> None:
    visit(tab, page)
    choose(tab, "language", "Czech")
    assert tab.js("[...document.querySelectorAll('#answers .list .text')].every((e) => e.dir === 'auto')")
    assert tab.js("[...document.querySelectorAll('#answers .list .question')].every((e) => e.lang === 'cs')")
    english = (
        "[...document.querySelectorAll('#answers .reply')].filter((e) => e.textContent.startsWith('English alone'))"
    )
    assert tab.js(f"{english}.map((e) => e.querySelector('.text').lang)") == ["en"] * 4


def test_prompts_come_page_by_page(tab: Browser, tmp_path: Path) -> None:
    cells = build(tmp_path, Shape((0,), (2,), (1.0,), ("en", "ar"), ("en", "ar"), prompts=12))
    study = arrange((cell, read_jsonl(cell.items_path("reference"), lambda row: Item(**row))) for cell in cells)
    browser = browse(study, cells, {"untuned": [cells[-1]]}, "monolingual", tmp_path / "study", "reference")
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8>{render(browser)}", encoding="utf-8")
    visit(tab, page)
    seen = []
    for range_, number in (("1–5", 5), ("6–10", 5), ("11–12", 2)):
        assert tab.text("#answers .said") == f"{range_} of 12 prompts"
        assert len(prompts(tab)) == number
        seen += prompts(tab)
        tab.click("#answers .pager button:last-of-type")
    assert len(set(seen)) == 12
    assert tab.js("document.querySelector('#answers .pager button:last-of-type').disabled")
    tab.click("#answers .pager:last-child button")  # Previous, below the list
    assert tab.text("#answers .said") == "6–10 of 12 prompts"
    assert tab.js("document.activeElement.className") == "list", "from there on the keyboard goes on"


def test_a_narrow_window_is_wide_enough(tab: Browser, page: Path) -> None:
    tab.call("Emulation.setDeviceMetricsOverride", width=320, height=600, deviceScaleFactor=1, mobile=False)
    visit(tab, page)
    tab.js("document.querySelectorAll('#answers details').forEach((e) => { e.open = true; }); 0")
    assert tab.js("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("delete window.DecompressionStream", "This browser is too old"),
        ("window.atob = () => 'nonsense'", "could not be unpacked"),
    ],
)
def test_where_nothing_can_be_unpacked_samples_stay(tab: Browser, page: Path, before: str, words: str) -> None:
    tab.tab(before)
    visit(tab, page, FAILED)
    assert words in tab.text("#answers .failed")
    assert not tab.js("document.querySelector('#answers .samples').hidden")
    assert "leden" in tab.text("#answers .samples")
