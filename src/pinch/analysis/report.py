"""Stage: the report of a study, as one self-contained HTML page and as Markdown.

In: a `Report`, plain values only. Out: text. All text is escaped where it is put in (answers may hold HTML, Markdown or
anything else); the page loads nothing from anywhere, its figures are inside it, light and dark, wide and narrow.
"""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pinch.analysis.figures import Picture
from pinch.analysis.samples import Sample
from pinch.analysis.sections import Exhibit, Finding, Gap

CITATION = (
    "Shaham, Herzig, Aharoni, Szpektor, Tsarfaty, Eyal: Multilingual Instruction Tuning With Just a Pinch of "
    "Multilinguality. Findings of ACL 2024, arXiv 2401.01854."
)


@dataclass(frozen=True)
class Shown:
    """One figure of the page: its exhibit, and its SVGs as data addresses by variant, e.g. light_wide."""

    exhibit: Exhibit
    sources: dict[str, str]


@dataclass(frozen=True)
class CellRow:
    """A line of the table of cells; numbers in percent, None where there is nothing."""

    id: str
    languages: str
    share: float
    seed: str
    base: float | None
    seen: float | None
    unseen: float | None
    exact: float | None
    right_language: float | None
    loss: float | None
    seconds: float | None
    state: str


@dataclass
class Report:
    """All that the page says. `facts` are (name, value) pairs; `gaps` come with their whole commands."""

    workspace: str
    lead: str
    findings: list[Finding] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    figures: list[Shown] = field(default_factory=list)
    gaps: list[tuple[Gap, str]] = field(default_factory=list)
    cells: list[CellRow] = field(default_factory=list)
    samples: Sequence[Sample] = ()
    limits: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    against: str = "monolingual"


def show(exhibit: Exhibit, picture: Picture) -> Shown:
    """A figure with its drawings as data addresses."""
    sources = {}
    for (theme, width), svg in picture.variants.items():
        packed = base64.b64encode(svg.encode("utf-8")).decode("ascii")
        sources[f"{theme}_{width}"] = f"data:image/svg+xml;base64,{packed}"
    return Shown(exhibit, sources)


def render_html(report: Report) -> str:
    """The whole page."""
    return _template("report.html.j2").render(report=report, citation=CITATION)


def render_markdown(report: Report) -> str:
    """The same without the answers, with the figures as files beside it."""
    return _template("report.md.j2").render(report=report, citation=CITATION)


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = number
    environment.filters["plain"] = plain
    return environment.get_template(name)


def number(value: float | None, digits: int = 1) -> str:
    """A number of a table; an en dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def plain(text: str) -> str:
    """Text that Markdown leaves as it is: no HTML, no table or emphasis marks, one line."""
    safe = html.escape(" ".join(text.split()), quote=False)
    for mark in "\\`*_[]|~#":
        safe = safe.replace(mark, f"\\{mark}")
    return safe
