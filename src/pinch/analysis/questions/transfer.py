"""Pure: does tuning on one language teach the others? Models tuned on one language each, asked in every language.

In: a study. Out: the matrix against the monolingual model of the language asked in, the one against the untuned model, and
what their places, their mean and their rows say (the paper's figures 1 and 10).
"""

import numpy as np
from numpy.typing import NDArray

from pinch import stats
from pinch.analysis import places
from pinch.analysis.extremes import Extremes, common, extremes
from pinch.analysis.figures.maps import draw_matrix
from pinch.analysis.matrices import PAR, Matrix, blocks, monolingual_matrix, over_places
from pinch.analysis.sections import Exhibit, Finding, Gap, Result, Section
from pinch.analysis.study import Array, Family, Metric, Options, Study
from pinch.analysis.words import counted, gap_text, listed, name_of, p_text, reference_name, signed, spread

TITLES = {
    "monolingual_heatmap": "Tuned on one language, asked in another",
    "monolingual_heatmap_base": "Tuned on one language, against the untuned model",
}
EXPERIMENTS = {"monolingual_heatmap": "monolingual", "monolingual_heatmap_base": "versus_base"}
LOW_MARK = 30.0
"""The score that the paper measures transfer by: even its poorest tuning language is over it in most languages."""


def look(study: Study, family: Family, options: Options) -> Section:
    """Both matrices of the family's largest block, as far as there are scores for them."""
    section = Section()
    block = next(iter(blocks(study, family)), ())
    for name, against in (("monolingual_heatmap", "monolingual"), ("monolingual_heatmap_base", "base")):
        matrix = monolingual_matrix(study, family, against, options, block)
        arguments = places.asked_for(EXPERIMENTS[name], "languages", block or study.languages)
        if matrix is None and against == "base" and not block:
            continue  # the same models are missing for both
        if matrix is None:
            section.gaps.append(Gap(name, TITLES[name], _reason(study, family, against), arguments))
            continue
        text = places.caption(matrix, options)
        draw, charts = draw_matrix(matrix), (places.chart(matrix),)
        section.exhibits.append(Exhibit(name, TITLES[name], text, list(matrix.flat()), draw, charts))
        lacking = places.holes(matrix)
        if lacking:
            section.gaps.append(Gap(name, TITLES[name], lacking, arguments))
        finding, results = _said(study, matrix, options)
        section.findings.append(finding)
        section.results.extend(results)
    return section


def by_seed(study: Study, matrix: Matrix) -> Array:
    """Mean over the free places per prompt, [seeds, prompts], of the seeds that every model's language has."""
    names = [set(seeds) for seeds in matrix.seed_names if seeds]
    rows = [_of_seed(study, matrix, seed, matrix.free) for seed in sorted(set.intersection(*names))]
    return np.array(rows).reshape(-1, matrix.prompts)


def _of_seed(study: Study, matrix: Matrix, seed: int, at: NDArray[np.bool_]) -> Array:
    """The mean over some places per prompt, of the models of one seed alone."""
    cells = [[cell for cell in matrix.family.monolingual(row) if (cell.axes.seed or 0) == seed] for row in matrix.rows]
    table = [
        study.by_prompt(cells[r], [matrix.columns[c]], Metric.score, matrix.against)
        for r, c in zip(*np.nonzero(at), strict=True)
    ]
    return over_places(np.array(table))


def _reason(study: Study, family: Family, against: str) -> str:
    """Why a matrix cannot be drawn."""
    missing = [code for code in study.languages if not family.monolingual(code)]
    if len(study.languages) - len(missing) < 2:
        lack = f" ({places.untuned(missing)})" if missing else ""
        return f"it needs at least two models that were tuned on one language each{lack}"
    if against == "base":
        return "no model is judged against the untuned one"
    return "no model that was tuned on one language is judged in the language of another"


def _said(study: Study, matrix: Matrix, options: Options) -> tuple[Finding, list[Result]]:
    """What a matrix says: its mean, its places against par, its rows, its seeds."""
    base = matrix.against == "base"
    by_prompt = over_places(matrix.points[matrix.free])
    gap = stats.paired(by_prompt, np.full(matrix.prompts, PAR), options.confidence)
    mean = stats.mean(by_prompt, options.confidence)
    tested = f"{counted(matrix.tests.tests, 'place')}, {counted(gap.n, 'prompt')}"
    text = (
        f"Tuned on one language and asked in {'each' if base else 'the others'}, models score {spread(mean)} on average "
        f"against {reference_name(matrix.against)} ({tested}, {places.seeds_text(matrix)} a row; clustered by prompt). "
        f"Against par: {gap_text(gap)}."
    )
    points = [places.against_par(matrix), _everywhere(matrix) if base else _over(matrix)]
    who = "the untuned model" if base else "the monolingual models"
    n = f"{matrix.tests.tests} places, {gap.n} prompts"
    question = f"One language each, mean over places, against {who}"
    results = [Result(question, gap.mean, gap.low, gap.high, n, "t by prompt, against par", gap.p, gap.detectable)]
    marked = int((matrix.marks != 0).sum())
    test = "t by prompt against par, Holm over all places"
    results.append(Result(f"Places off par, against {who}", marked, None, None, n, test, None, None, "places"))
    picked = extremes(matrix, options)
    if picked is not None:
        points.append(_rows(matrix, picked) + _rows_by_seed(study, matrix, picked))
        results.append(_picked(picked, who))
    seeds = stats.seed_variance(by_seed(study, matrix), PAR, options.confidence)
    if seeds is not None:
        points.append(_seeds(seeds))
    key, title = ("versus_base", "Against the untuned model") if base else ("monolingual", "One language each")
    return Finding(key, title, text, tuple(points), _brief(matrix, mean, seeds)), results


def _brief(matrix: Matrix, mean: stats.Estimate, seeds: stats.SeedVariance | None) -> str:
    """The mean over the places, and how many of them can be told from par."""
    others = "each" if matrix.against == "base" else "the others"
    both = f"; over new seeds and prompts [{seeds.of_both.low:.1f}, {seeds.of_both.high:.1f}]" if seeds else ""
    return (
        f"Tuned on one language and asked in {others}, models score {spread(mean)} on average against "
        f"{reference_name(matrix.against)}{both} ({counted(mean.n, 'prompt')}, {places.seeds_text(matrix)} a row). "
        f"{_sides(matrix)}."
    )


def _sides(matrix: Matrix) -> str:
    """How many places are above, below and not distinguishable from par."""
    marks = matrix.marks[matrix.free]
    words = {1: "are above par", -1: "are below par", 0: "cannot be distinguished from par"}
    counts = {word: int((marks == side).sum()) for side, word in words.items()}
    reach = places.detectable(matrix) if (marks == 0).any() else None
    could = f"; detectable effect of a place of median SE, after correction: {reach:.1f} points" if reach else ""
    told = listed([f"{number} {word}" for word, number in counts.items() if number])
    return f"Of {counted(len(marks), 'place')} {told} ({PAR:.0f}; Holm over all{could})"


def _everywhere(matrix: Matrix) -> str:
    """Whether tuning on one language helps in every language: its weakest place says so."""
    free = np.where(matrix.free, matrix.values, np.inf)
    r, c = np.unravel_index(int(free.argmin()), free.shape)
    at = (int(r), int(c))
    above = int((matrix.marks > 0).sum())
    answer = (
        "tuning on one language helps in every place"
        if above == matrix.tests.tests
        else f"tuning on one language is seen to help in {above} of {counted(matrix.tests.tests, 'place')}, not in all"
    )
    return (
        f"{answer}; the weakest is {name_of(matrix.rows[at[0]])} asked in {name_of(matrix.columns[at[1]])}: "
        f"{matrix.values[at]:.1f} [{matrix.low[at]:.1f}, {matrix.high[at]:.1f}] "
        f"({p_text(float(matrix.tests.holm[at]))} after Holm, {counted(int(matrix.counts[at]), 'prompt')})"
    )


def _over(matrix: Matrix) -> str:
    """How many places pass the paper's mark."""
    free = matrix.free
    over = int((matrix.values[free] > LOW_MARK).sum())
    surely, under = int((matrix.low[free] > LOW_MARK).sum()), int((matrix.high[free] < LOW_MARK).sum())
    share = 100 * over / matrix.tests.tests
    return (
        f"{over} of {counted(matrix.tests.tests, 'place')} ({share:.0f} %) score over {LOW_MARK:.0f}, the mark the paper "
        f"uses; the interval of {surely} lies wholly over it, that of {under} wholly under it "
        f"({places.prompts_text(matrix)} a place)"
    )


def _rows(matrix: Matrix, picked: Extremes) -> str:
    spans = []
    for code in (picked.best, picked.worst):
        r = matrix.rows.index(code)
        mean = f"{matrix.row_means[r]:.1f} [{matrix.row_low[r]:.1f}, {matrix.row_high[r]:.1f}]"
        spans.append(f"{name_of(code)} ({mean})")
    told = f"{signed(picked.gap)} [{signed(picked.low)}, {signed(picked.high)}], {p_text(picked.p)}"
    if picked.low <= 0 <= picked.high:
        told = f"not distinguishable ({told}; detectable effect: {picked.detectable:.1f} points)"
    return (
        f"highest row mean: {spans[0]}, lowest: {spans[1]} (simultaneous over the rows); the two in the "
        f"{counted(picked.languages, 'language')} that both are asked in, corrected for having been picked from "
        f"{counted(picked.pairs, 'pair')} of rows: {told} ({counted(picked.prompts, 'prompt')}); {picked.told} of the "
        f"{counted(picked.pairs, 'pair')} of rows are distinguishable"
    )


def _rows_by_seed(study: Study, matrix: Matrix, picked: Extremes) -> str:
    """The difference of the two picked rows once more for every seed that both have, where there are several."""
    best, worst = (matrix.rows.index(code) for code in (picked.best, picked.worst))
    seeds = sorted(set(matrix.seed_names[best]) & set(matrix.seed_names[worst]))
    if len(seeds) < 2:
        return ""
    both = common(matrix, best, worst)
    gaps = []
    for seed in seeds:
        rows = []
        for r in (best, worst):
            at = np.zeros_like(matrix.free)
            at[r] = both
            rows.append(_of_seed(study, matrix, seed, at))
        gaps.append(float(np.nanmean(rows[0] - rows[1])))
    return f"; by seed {', '.join(signed(gap) for gap in gaps)}"


def _picked(picked: Extremes, who: str) -> Result:
    test = f"paired by prompt; interval: max-t, p: Holm, over {counted(picked.pairs, 'pair')} of rows"
    n = f"{picked.languages} languages, {picked.prompts} prompts"
    question = f"Best tuning language ({picked.best}) less worst ({picked.worst}), against {who}"
    return Result(question, picked.gap, picked.low, picked.high, n, test, picked.p, picked.detectable)


def _seeds(found: stats.SeedVariance) -> str:
    """How much of the mean's uncertainty is the seeds'."""
    both, prompts = found.of_both, found.of_prompts
    low, high = found.seed_sd_span
    return (
        f"the mean over places with new prompts: [{prompts.low:.1f}, {prompts.high:.1f}], with new prompts and new seeds: "
        f"[{both.low:.1f}, {both.high:.1f}] ({counted(found.seeds, 'seed')}, {counted(found.prompts, 'prompt')}; standard "
        f"deviation over seeds {found.seed_sd:.1f} [{low:.1f}, {high:.1f}] points)"
    )
