"""Stage: the report of a study, as one self-contained HTML page and as Markdown.

In: a `Report`, plain values only. Out: text. All text is escaped where it is put in (answers may hold HTML, Markdown or
anything else); the page loads nothing from anywhere, and forbids itself to: its figures and its data are inside it. The
templates, the style sheet and the scripts lie in `page/`.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pinch.analysis import inline
from pinch.analysis.figures import Picture
from pinch.analysis.sections import Exhibit, Finding, Gap, Result
from pinch.analysis.tables import Row

PAPER = (
    "Shaham, Herzig, Aharoni, Szpektor, Tsarfaty, Eyal: Multilingual Instruction Tuning With Just a Pinch of "
    "Multilinguality. Findings of ACL 2024, arXiv 2401.01854."
)

CITATION = (
    f"{PAPER} Run with Pinch: how much multilinguality does instruction tuning need? "
    "The Pinch maintainers, version 0.1.0."
)

BIBTEX = """@inproceedings{shaham-etal-2024-pinch,
  title     = {Multilingual Instruction Tuning With Just a Pinch of Multilinguality},
  author    = {Shaham, Uri and Herzig, Jonathan and Aharoni, Roee and Szpektor, Idan and Tsarfaty, Reut and Eyal, Matan},
  booktitle = {Findings of the Association for Computational Linguistics: ACL 2024},
  year      = {2024},
  note      = {arXiv:2401.01854}
}
@software{pinch,
  title   = {Pinch: how much multilinguality does instruction tuning need?},
  author  = {{The Pinch maintainers}},
  version = {0.1.0}
}"""
"""The paper whose protocol this is, and this program, both as CITATION.cff has them (a test compares them)."""


@dataclass(frozen=True)
class Shown:
    """One figure of the page: its exhibit and its drawings, wide and narrow."""

    exhibit: Exhibit
    drawings: dict[str, inline.Drawing]


@dataclass(frozen=True)
class Mean:
    """A mean of a table in percent with its interval; no interval where the value is so by definition."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CellRow:
    """A line of the table of models; numbers in percent, None where there is nothing. `base`, `seen` and `unseen` are
    means over languages of the score."""

    id: str
    languages: str
    share: float
    seed: str
    base: Mean | None
    seen: Mean | None
    unseen: Mean | None
    exact: float | None
    right_language: float | None
    loss: float | None
    seconds: float | None
    state: str


@dataclass(frozen=True)
class Chapter:
    """One question: its figures, findings, tests, and what is missing, with the whole commands that would make it. `key`
    is no other chapter's."""

    title: str
    key: str
    shown: list[Shown] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    gaps: list[tuple[Gap, str]] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


@dataclass
class Report:
    """All that the page says. `facts` are (name, value) pairs; the `headline` with key "short" is the answer in one
    sentence; `answers` is what the template of answers takes; `latex` are the names of the LaTeX tables beside the page."""

    workspace: str
    lead: str
    headline: list[Finding] = field(default_factory=list)
    chapters: list[Chapter] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    cells: list[CellRow] = field(default_factory=list)
    scores: Sequence[Row] = ()
    answers: Any = None
    limits: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    latex: Sequence[str] = ()
    against: str = "monolingual"
    citation: str = CITATION
    bibtex: str = BIBTEX


SCORES = ("language", "role", "against", "score", "low", "high", "n", "wins", "ties", "losses", "invalid", "exact")
"""What the page holds of a line of scores.csv, beside the cell and the share of answers in the language asked."""


def show(exhibit: Exhibit, picture: Picture) -> Shown:
    """A figure with its drawings made ready for the page."""
    label = f"{exhibit.title}; the numbers are in {exhibit.name}.csv"
    name = inline.slug(exhibit.name)
    drawn = {kind: inline.drawing(svg, f"{name}-{kind}", label, kind) for kind, svg in picture.variants.items()}
    return Shown(exhibit, drawn)


def render_html(report: Report) -> str:
    """The whole page."""
    drawings = [one for chapter in report.chapters for shown in chapter.shown for one in shown.drawings.values()]
    letters = {name: shape for one in drawings for name, shape in one.letters.items()}
    return (
        _environment(True)
        .get_template("report.html.j2")
        .render(
            report=report,
            letters=inline.letters_block(letters),
            light=inline.theme("light"),
            dark=inline.theme("dark"),
            scores=_scores(report.scores),
        )
    )


def render_markdown(report: Report) -> str:
    """The same without the answers, with the figures as files beside it."""
    return _environment(False).get_template("report.md.j2").render(report=report)


def _scores(rows: Sequence[Row]) -> dict[str, Any]:
    """The table of scores, every cell named once; two decimals, which is more than any of them is known to."""
    cells = list({row.cell: row for row in rows}.values())
    place = {row.cell: at for at, row in enumerate(cells)}
    names = [*SCORES, "right_language"]
    return {
        "cells": [[one.cell, one.languages, round(100 * one.fraction, 4), one.seed] for one in cells],
        "columns": ["cell", *names],
        "rows": [[place[row.cell], *(_brief(getattr(row, name)) for name in names)] for row in rows],
    }


def _brief(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


@cache
def _environment(escaping: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "page"),
        autoescape=escaping,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, effect=effect, chance=chance, half=half)
    environment.filters.update(plain=plain, sentence=sentence, slug=inline.slug, data=inline.data)
    return environment


def number(value: float | None, digits: int = 1) -> str:
    """A number of a table; an en dash where there is none."""
    if value is None or value != value:
        return "\N{EN DASH}"
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def effect(value: float | None, unit: str) -> str:
    """A number in its unit: one digit after the point for points and percent, two for what is small, none for counts."""
    if unit.startswith(("points", "%", "percent")):
        return number(value, 1)
    return number(value, 2 if value is None or abs(value) < 10 else 0)


def chance(p: float | None) -> str:
    """A p value; never 0."""
    return "< 0.001" if p is not None and p < 0.001 else number(p, 3)


def half(mean: Mean | None) -> str:
    """The longer arm of a mean's interval, for a table that has no room for both ends; nothing without an interval."""
    if mean is None or mean.low is None or mean.high is None:
        return ""
    return f"\N{PLUS-MINUS SIGN}{max(mean.value - mean.low, mean.high - mean.value):.1f}"


def sentence(text: str) -> str:
    """Text as a sentence of its own: begun with a capital, ended with a point."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?", ":")) else ".")


def plain(text: str) -> str:
    """Text that Markdown leaves as it is: no HTML, no table or emphasis marks, one line."""
    safe = html.escape(" ".join(text.split()), quote=False)
    for mark in "\\`*_[]|~#":
        safe = safe.replace(mark, f"\\{mark}")
    return safe
