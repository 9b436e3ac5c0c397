"""Shapes: what one question to a study gives: figures with their numbers, findings, tests, and what is missing.

Every module of `pinch.analysis.questions` answers one question with a `Section`; the report is all sections, one after the
other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pinch.analysis.charts import Chart
from pinch.analysis.figures import Draw


@dataclass(frozen=True)
class Exhibit:
    """One figure: its file name, title, caption, the rows of its CSV (exactly what is drawn), how to draw it, and the same
    as charts that answer to the pointer (none where a picture says it all)."""

    name: str
    title: str
    caption: str
    rows: list[dict[str, Any]]
    draw: Draw
    charts: Sequence[Chart] = ()


@dataclass(frozen=True)
class Gap:
    """A figure that cannot be drawn, or models that one lacks, why, and the arguments of train.py that would make them
    (empty where training would not help), e.g. +experiment=pairs; the family's own settings are added to them."""

    name: str
    title: str
    reason: str
    arguments: str = ""


@dataclass(frozen=True)
class Finding:
    """One computed statement: `key` says which, `title` what it is about, `points` are its numbers one by one. Every claim
    in it has n, an interval and, where nothing was seen, the effect that would have been. `brief` says it in one sentence
    for the top of the report; empty where `text` does."""

    key: str
    title: str
    text: str
    points: tuple[str, ...] = ()
    brief: str = ""


@dataclass(frozen=True)
class Result:
    """One line of the table of results: what was asked, the effect with its interval in `unit`, n of what, p by which test
    (corrected where `test` says so), and the smallest effect that could have been seen. None where there is none."""

    question: str
    effect: float | None
    low: float | None
    high: float | None
    n: str
    test: str
    p: float | None
    detectable: float | None
    unit: str = "points"


@dataclass(frozen=True)
class Section:
    """All that one question gives, in the order in which it is told."""

    exhibits: list[Exhibit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
