"""Pure: the tidy table, one row per cell, reference kind and evaluation language, with all axes.

In: a `Study`. Out: `Row`s, the lines of scores.csv.
"""

from dataclasses import dataclass

import numpy as np

from pinch import stats
from pinch.analysis.study import Sheet, Study, average
from pinch.cells import Cell, role


@dataclass(frozen=True)
class Row:
    """One line of scores.csv. Scores, rates and intervals in percent; `bound_low` and `bound_high` are the score if every
    invalid judgement were a loss or a win. `n` counts valid items. A cell that is its own reference has no interval;
    answers that were compared with nothing (`against` is empty) have no score."""

    cell: str
    model: str
    data: str
    method: str
    budget: int
    base: str
    languages: str
    n_languages: int
    fraction: float
    other_share: float
    seed: int | None
    judge: str
    against: str
    reference_cell: str
    language: str
    role: str
    prompts: int
    n: int
    wins: int
    ties: int
    losses: int
    invalid: int
    score: float | None
    se: float | None
    low: float | None
    high: float | None
    bound_low: float | None
    bound_high: float | None
    exact: float | None
    chrf: float | None
    right_language: float | None
    undecided: float


def tidy(study: Study, judge: str, confidence: float) -> list[Row]:
    """The tidy table, ordered by cell, reference kind and language."""
    rows = []
    for cell in study.cells:
        for against in study.references:
            for language in study.languages:
                sheet = study.sheets.get((cell.id, against, language))
                if sheet is not None:
                    rows.append(_row(cell, judge, against, language, sheet, confidence))
    return rows


def _row(cell: Cell, judge: str, against: str, language: str, sheet: Sheet, confidence: float) -> Row:
    axes, outcomes = cell.axes, sheet.outcomes
    valid = sheet.score[np.isfinite(sheet.score)]
    estimate = stats.mean(valid, confidence) if len(valid) > 1 and not sheet.own_reference else None
    total = float(valid.sum())
    judged = sheet.prompts
    whole = bool(against) and not outcomes["unjudged"]
    return Row(
        cell=cell.id,
        model=axes.model,
        data=axes.data,
        method=axes.method,
        budget=axes.budget,
        base=axes.base,
        languages="+".join(axes.languages),
        n_languages=axes.n_languages,
        fraction=axes.fraction,
        other_share=axes.other_share,
        seed=axes.seed,
        judge=judge,
        against=against,
        reference_cell=sheet.reference_cell,
        language=language,
        role=role(cell, language),
        prompts=judged,
        n=len(valid),
        wins=outcomes["win"],
        ties=outcomes["tie"] + outcomes["identical"] + outcomes["self"],
        losses=outcomes["loss"],
        invalid=outcomes["invalid"],
        score=total / len(valid) if len(valid) else None,
        se=estimate.se if estimate else None,
        low=estimate.low if estimate else None,
        high=estimate.high if estimate else None,
        bound_low=total / judged if whole else None,
        bound_high=(total + 100 * (judged - len(valid))) / judged if whole else None,
        exact=average(sheet.exact),
        chrf=average(sheet.chrf),
        right_language=average(sheet.right_language),
        undecided=100 * sheet.undecided / judged,
    )
