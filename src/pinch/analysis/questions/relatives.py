"""Pure: do similar languages teach each other better? Models tuned on one of several related languages each.

In: a study. Out: their matrix (the paper's figure 7) and QAP tests of whether branch, script and mutual intelligibility go
with the scores, once good tuning languages and easy evaluation languages are taken out.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinch import stats
from pinch.analysis import places
from pinch.analysis.figures.maps import draw_matrix
from pinch.analysis.matrices import Matrix, monolingual_matrix
from pinch.analysis.sections import Exhibit, Finding, Gap, Result, Section
from pinch.analysis.study import Array, Family, Options, Study, table_order
from pinch.analysis.words import counted, gap_text, listed, name_of, p_text, r_text
from pinch.languages import LANGUAGES, SLAVIC, intelligible

NAME = "relatives_heatmap"
TITLE = "Similar languages"
FEWEST = 4
"""Related languages with a model each from which on a matrix is worth drawing."""


@dataclass(frozen=True)
class Tie:
    """One way in which languages are similar, as a matrix of 0 and 1, and how it goes with their scores; `p` and `told` are
    after Holm's correction over all ties."""

    name: str
    predictor: Array
    found: stats.Similarity
    p: float
    told: bool


def look(study: Study, family: Family, options: Options) -> Section:
    """The matrix of the family's largest group of related languages, and one test per tie."""
    codes = related(study, family)
    matrix = monolingual_matrix(study, family, "monolingual", options, codes) if codes else None
    if matrix is None:
        return Section(gaps=[Gap(NAME, TITLE, _reason(family, codes), "+experiment=slavic")])
    labels = {code: f"{code.partition('-')[0]}  {branch_of(code)}, {LANGUAGES[code].script}" for code in codes}
    sizes = [sum(LANGUAGES[code].branch == branch for code in codes) for branch in _branches(codes)]
    text = (
        f"{places.caption(matrix, options)} Rows and columns are ordered by branch (parted by lines) and script, both "
        "named beside the language tuned on."
    )
    draw, charts = draw_matrix(matrix, labels, sizes), (places.chart(matrix, labels),)
    section = Section([Exhibit(NAME, TITLE, text, list(_rows(matrix)), draw, charts)])
    lacking = places.holes(matrix)
    if lacking:
        section.gaps.append(Gap(NAME, TITLE, lacking, places.asked_for("slavic", "relatives", codes)))
    compared = _complete(matrix)
    if len(compared) >= FEWEST:
        found = ties(matrix, compared, options)
        section.findings.append(_said(matrix, compared, found))
        told = [tie for tie in found if tie.found.told]
        section.results.extend(_result(tie, len(told)) for tie in told)
    return section


def related(study: Study, family: Family) -> tuple[str, ...]:
    """The largest group of related languages (their branches end with the same word) with at least FEWEST models, and
    those of the group that most of these models answer in; by branch, then script. Empty without such a group."""
    groups: dict[str, list[str]] = defaultdict(list)
    for code in sorted(
        {cell.axes.languages[0] for cell in family.cells if cell.axes.n_languages == 1}, key=table_order
    ):
        if code in LANGUAGES:
            groups[LANGUAGES[code].group].append(code)
    name, tuned = max(groups.items(), key=lambda one: len(one[1]), default=("", []))
    if len(tuned) < FEWEST:
        return ()
    asked = {code: {cell.id for cell in family.monolingual(code)} for code in tuned}
    by_language: dict[str, set[str]] = defaultdict(set)
    for cell, _, language in study.sheets:
        by_language[language].add(cell)
    joined = {
        code
        for code, cells in by_language.items()
        if code in LANGUAGES
        and LANGUAGES[code].group == name
        and 2 * sum(bool(ids & cells) for ids in asked.values()) > len(tuned)
    }
    return tuple(sorted(joined | set(tuned), key=_order))


def ties(matrix: Matrix, at: Sequence[int], options: Options) -> list[Tie]:
    """The tests of branch, script and mutual intelligibility over the rows and columns `at`."""
    codes = [matrix.rows[one] for one in at]
    rows = [LANGUAGES[code] for code in codes]
    predictors = {
        "branch": [[one.branch == other.branch for other in rows] for one in rows],
        "script": [[one.script == other.script for other in rows] for one in rows],
        "mutual intelligibility": [[intelligible(one, other) for other in codes] for one in codes],
    }
    scores = np.moveaxis(matrix.points[np.ix_(at, at)], 2, 0)
    tables = [np.array(predictor, dtype=float) for predictor in predictors.values()]
    tests = [stats.similarity(scores, table, options.confidence, seed=options.seed) for table in tables]
    corrected = stats.holm(np.array([test.p for test in tests]))
    return [
        Tie(name, table, test, float(p), bool(p <= 1 - options.confidence))
        for name, table, test, p in zip(predictors, tables, tests, corrected, strict=True)
    ]


def branch_of(code: str) -> str:
    """A language's branch without what it shares with its relatives: East for East Slavic."""
    words = LANGUAGES[code].branch.split()
    return " ".join(words[:-1]) or words[-1]


def _reason(family: Family, codes: Sequence[str]) -> str:
    if codes:
        return f"the models of {places.named(codes)} are not judged in each other's languages"
    slavic = [code for code in SLAVIC if family.monolingual(code)]
    there = f"; of Slavic languages there are {places.named(slavic)}" if slavic else ""
    return f"it needs models of at least {FEWEST} closely related languages, each tuned on one of them{there}"


def _order(code: str) -> tuple[str, str, tuple[int, str]]:
    return LANGUAGES[code].branch, LANGUAGES[code].script, table_order(code)


def _branches(codes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(LANGUAGES[code].branch for code in codes))


def _rows(matrix: Matrix) -> Iterator[dict[str, Any]]:
    """What is drawn, and beside every place how similar its two languages are."""
    for row in matrix.flat():
        one, other = LANGUAGES[row["tuning"]], LANGUAGES.get(row["evaluation"])
        if other is None:
            yield row
            continue
        kin = {"same_branch": one.branch == other.branch, "same_script": one.script == other.script}
        yield {**row, **kin, "mutually_intelligible": one == other or intelligible(one.code, other.code)}


def _complete(matrix: Matrix) -> list[int]:
    """Rows that have a score in another language, and a score of another model in their own."""
    free = matrix.free
    return [at for at in range(len(matrix.rows)) if free[at].any() and free[:, at].any()]


def _said(matrix: Matrix, at: Sequence[int], found: Sequence[Tie]) -> Finding:
    test, tests = found[0].found, sum(tie.found.told for tie in found)
    text = (
        f"{counted(test.n, 'related language')} ({' '.join(matrix.rows[one] for one in at)}), "
        f"{counted(test.places, 'place')}, {places.prompts_text(matrix)}, {places.seeds_text(matrix)} a row. Do models do "
        "better in languages that are similar to the one they were tuned on? Row and column effects are taken out first; "
        "r is held against all ways to exchange the languages' names (QAP), Holm's correction over "
        f"{counted(tests, 'test')}. The p values ask about languages; the effects in points "
        "hold for just these languages, with new prompts."
    )
    points = [_tie_text(tie, tests, 1 - matrix.confidence) for tie in found]
    pairs = [(one, other) for i, one in enumerate(at) for other in at[i + 1 :]]
    split = [
        f"{name_of(matrix.rows[one])} and {name_of(matrix.rows[other])}"
        for one, other in pairs
        if intelligible(matrix.rows[one], matrix.rows[other])
        and LANGUAGES[matrix.rows[one]].script != LANGUAGES[matrix.rows[other]].script
    ]
    if split:
        points.append(f"mutually intelligible, but here in different scripts: {'; '.join(split)}")
    points.append(f"against par: {places.against_par(matrix)}")
    return Finding("relatives", TITLE, text, tuple(points), _brief(matrix, test, found, tests))


def _brief(matrix: Matrix, test: stats.Similarity, found: Sequence[Tie], tests: int) -> str:
    """The ties that go with the scores, those of which there is no clear signal and what that would have taken, and those
    that cannot be told."""
    seen = [
        f"{tie.name} goes with {'higher' if tie.found.r > 0 else 'lower'} scores ({_r_and_p(tie)}; in points, similar less "
        f"other languages: {gap_text(tie.found.effect)})"
        for tie in found
        if tie.told
    ]
    alpha = 1 - matrix.confidence
    quiet = [tie for tie in found if tie.found.told and not tie.told]
    untold = [tie.name for tie in found if not tie.found.told]
    parts = ["; ".join(seen)] if seen else []
    if quiet:
        needed = listed([f"{tie.found.critical:.2f}" for tie in quiet])
        signals = listed([f"{tie.name} ({_r_and_p(tie)})" for tie in quiet])
        barred = [tie.name for tie in quiet if tie.found.smallest_p * tests > alpha]
        never = f"; {listed(barred)} alone can never pass it" if barred else ""
        parts.append(
            f"no clear signal for {signals}; |r| over {needed} would have been needed before correction{never}"
        )
    if untold:
        parts.append(f"{listed(untold)} cannot be told here")
    n = f"{counted(test.places, 'place')}, {places.prompts_text(matrix)}, {places.seeds_text(matrix)} a row"
    return f"Over {counted(test.n, 'related language')} ({n}) {'; '.join(parts)}."


def _r_and_p(tie: Tie) -> str:
    return f"partial r = {r_text(tie.found.r)}, {p_text(tie.p)} after Holm"


def _tie_text(tie: Tie, tests: int, alpha: float) -> str:
    """What one tie says: r, p, what could have been seen, and the effect in points."""
    found, off = tie.found, ~np.eye(len(tie.predictor), dtype=bool)
    if not found.told:
        values = set(tie.predictor[off].tolist())
        why = (
            f"{'every' if values == {1.0} else 'no'} pair of these languages shares it"
            if len(values) == 1
            else "what good tuning languages and easy evaluation languages explain leaves nothing of it"
        )
        return f"{tie.name}: cannot be told here, {why}"
    verdict = "no clear signal"
    if tie.told:
        verdict = f"goes with {'higher' if found.r > 0 else 'lower'} scores"
    elif found.p <= alpha:
        verdict = "no clear signal after correction"
    needed = f"|r| over {found.critical:.2f} would have been needed uncorrected"
    if found.smallest_p > alpha:
        needed = f"so that these languages can never show p below {alpha:.2g}"
    elif found.smallest_p * tests > alpha:
        needed += f", and alone it can never pass the correction over {tests} tests"
    pairs = int(tie.predictor[off].sum()) // 2
    return (
        f"{tie.name} ({counted(pairs, 'pair')}): {verdict}, partial r = {r_text(found.r)}, {p_text(found.p)} "
        f"({p_text(tie.p)} after Holm; {found.permutations:,} orders of the names, smallest attainable p "
        f"{found.smallest_p:.3g}, {needed}); in points, similar less other languages: {gap_text(found.effect)}"
    )


def _result(tie: Tie, tests: int) -> Result:
    found, effect = tie.found, tie.found.effect
    return Result(
        f"Related languages, the same {tie.name}"
        if tie.name != "mutual intelligibility"
        else f"Related languages, {tie.name}",
        *(effect.mean, effect.low, effect.high),
        f"{found.n} languages, {found.places} places, {effect.n} prompts",
        f"QAP over {found.permutations:,} orders of names, r = {r_text(found.r)} (needed: {found.critical:.2f}), Holm over "
        f"{tests}; interval over prompts",
        tie.p,
        effect.detectable,
    )
