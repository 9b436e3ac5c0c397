"""Pure: how much of a score is the language of the answer, and its length?

In: a study and the groups of models to show. Out, without a figure: the scores once more with answers in the wrong language
losing, and the line of scores over the difference in length. Judges keep neither rule by themselves: a fluent answer in the
wrong language wins with some, a long one with most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pinch import stats
from pinch.analysis.sections import Finding, Result, Section
from pinch.analysis.study import Array, Family, Metric, Options, Sheet, Study
from pinch.analysis.words import counted, gap_text, spread
from pinch.cells import Cell

GATE_TITLE, LENGTH_TITLE = "Scores if the wrong language cannot win", "Scores and length"


@dataclass(frozen=True)
class Compared:
    """All comparisons of some models with their references, as tables [prompts, model x language]; NaN = missing."""

    scores: Array
    right: Array
    reference_right: Array
    length: Array
    reference_length: Array


def look(study: Study, family: Family, shown: Mapping[str, Sequence[Cell]], options: Options) -> Section:
    """Both questions to every group in `shown` that is compared with others than itself."""
    found = {label: compared(study, cells) for label, cells in shown.items()}
    there = {label: one for label, one in found.items() if one is not None}
    section = Section()
    for told in (_gates(there, family, options), _lengths(there, family, options)):
        if told is not None:
            section.findings.append(told[0])
            section.results.extend(told[1])
    return section


def compared(study: Study, cells: Sequence[Cell]) -> Compared | None:
    """The comparisons of the cells against the main reference, those with themselves left out; None without any."""
    against = study.main_reference
    found = [
        (sheet, _right(study, sheet.reference_cell, language))
        for cell in cells
        for language in study.languages
        if (sheet := study.sheet(cell, language, Metric.score, against)) is not None and not sheet.own_reference
    ]
    if not found or not against:
        return None
    sheets = [sheet for sheet, _ in found]
    return Compared(
        np.stack([sheet.score for sheet in sheets], axis=1),
        np.stack([sheet.in_language for sheet in sheets], axis=1),
        np.stack([right for _, right in found], axis=1),
        np.stack([sheet.length for sheet in sheets], axis=1),
        np.stack([sheet.reference_length for sheet in sheets], axis=1),
    )


def _right(study: Study, cell: str, language: str) -> Array:
    """Whether a reference's own answers are in the language asked; NaN throughout where the cell was not judged itself."""
    sheets: list[Sheet] = [
        sheet for kind in study.references if (sheet := study.sheets.get((cell, kind, language))) is not None
    ]
    return sheets[0].in_language if sheets else np.full(len(study.prompts), np.nan)


def _gates(found: Mapping[str, Compared], family: Family, options: Options) -> tuple[Finding, list[Result]] | None:
    points, results = [], []
    for label, one in found.items():
        gate = stats.gate(one.scores, one.right, one.reference_right, options.confidence)
        if gate.plain.n < 2:
            continue
        points.append(
            f"{label}: {spread(gate.plain)} as judged, {spread(gate.gated)} behind the gate: {gap_text(gate.gap)}; in the "
            f"wrong language are {100 * gate.wrong:.1f} % of its answers and {100 * gate.reference_wrong:.1f} % of the "
            f"references', {100 * gate.undecided:.1f} % of the comparisons have a language that could not be told and pass "
            f"({counted(gate.judged, 'comparison')}, {counted(gate.plain.n, 'prompt')})"
        )
        question = f"What the language gate changes: {label}"
        results.append(_result(question, gate.gap, f"{gate.judged:,} comparisons, {gate.gap.n} prompts"))
    text = (
        f"{family.label}: the score as judged, and with an answer in another language than the one asked losing (both in "
        "the wrong language: a tie), clustered by prompt. Where judging had that rule already (score.language_gate=loss), "
        "nothing changes:"
    )
    return (Finding("language_gate", GATE_TITLE, text, tuple(points)), results) if points else None


def _lengths(found: Mapping[str, Compared], family: Family, options: Options) -> tuple[Finding, list[Result]] | None:
    points, results = [], []
    for label, one in found.items():
        effect = stats.length_effect(one.scores, one.length, one.reference_length, options.confidence)
        if np.isnan(effect.slope.mean):
            continue
        near = f"{effect.near:,} of {counted(effect.judged, 'comparison')}, {100 * effect.near_share:.1f} %, are of nearly "
        level = (
            f"where they are equal the line is at {spread(effect.level)}"
            if effect.enough
            else "too few for a score there"
        )
        points.append(f"{label}: {gap_text(effect.slope)}; {near}equal length: {level}")
        n = f"{effect.judged:,} comparisons, {effect.slope.n} prompts"
        results.append(_result(f"From equal length to much longer: {label}", effect.slope, n))
    text = (
        f"{family.label}: what the score rises by from answers as long as the reference's to much longer ones (least squares"
        " over tanh of the standardised difference in characters, clustered by prompt). It is no effect of length alone: "
        "better answers may be longer ones:"
    )
    return (Finding("length", LENGTH_TITLE, text, tuple(points)), results) if points else None


def _result(question: str, gap: stats.Difference, n: str) -> Result:
    return Result(question, gap.mean, gap.low, gap.high, n, "t over prompts, clustered", gap.p, gap.detectable)
