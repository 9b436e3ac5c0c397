"""Pure: a matrix in words and as a chart: its caption, what it lacks, and what its places say against par."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy.special import ndtr

from pinch import stats
from pinch.analysis.charts import MapChart
from pinch.analysis.matrices import PAR, VERDICTS, Matrix
from pinch.analysis.study import Array, Options
from pinch.analysis.words import counted, name_of, p_text, reference_name
from pinch.config import ExperimentConfig


def caption(matrix: Matrix, options: Options) -> str:
    """Of a matrix of monolingual models: what is drawn, n, what marks and intervals mean."""
    own = (
        " The diagonal, a model against itself, is 50 by definition: not coloured, not averaged, not tested."
        if matrix.own.any()
        else ""
    )
    missing = " Hatched: no model or no scores yet." if not np.isfinite(matrix.values).all() else ""
    percent = f"{100 * matrix.confidence:.0f} %"
    return (
        f"{matrix.family.label}: score against {reference_name(matrix.against)}; rows: language tuned on, columns: language "
        f"asked in; every column has its own colour scale.{own}{missing} Triangles: above or below par ({PAR:.0f}) after "
        f"Holm's correction over {counted(matrix.tests.tests, 'place')} (t tests by prompt); without one: not "
        f"distinguishable from par. {prompts_text(matrix)} a place, {seeds_text(matrix)} a row, averaged prompt by "
        f"prompt; {percent} intervals of single places (in the CSV) reach at most {half_widths(matrix).max():.1f} points to "
        f"either side. Intervals of the row means hold for all rows at once (simultaneous {percent}, "
        f"{options.resamples:,} resamplings of the prompts). None of them covers new seeds."
    )


def half_widths(matrix: Matrix) -> Array:
    """How far the intervals of the tested places reach to the farther side, in points."""
    high, low = matrix.high - matrix.values, matrix.values - matrix.low
    found: Array = np.maximum(high, low)[matrix.free]
    return found


def prompts_text(matrix: Matrix) -> str:
    """209 prompts, or 180 to 209 prompts where some places have fewer."""
    return _range(matrix.counts[matrix.free].tolist(), "prompt")


def seeds_text(matrix: Matrix) -> str:
    return _range([number for number in matrix.seeds if number], "seed")


def against_par(matrix: Matrix) -> str:
    """How many places are above, below and not distinguishable from par, with n, half-widths and detectable effect."""
    marks, widths, tests = matrix.marks[matrix.free], half_widths(matrix), matrix.tests.tests
    above, below = int((marks > 0).sum()), int((marks < 0).sum())
    reach = detectable(matrix)
    seen = f"; detectable effect of a place of median SE, after correction: {reach:.1f} points" if reach else ""
    return (
        f"of {counted(tests, 'place')} {above} are above par, {below} below, {tests - above - below} not distinguishable "
        f"from it (Holm over all of them; {prompts_text(matrix)} a place; half-widths of single intervals: median "
        f"{np.median(widths):.1f}, largest {widths.max():.1f} points{seen})"
    )


def detectable(matrix: Matrix) -> float | None:
    """The smallest true difference from par that a place of median SE shows in four of five studies at the strictest step
    of Holm's correction, in points; None where no place varies."""
    moving = matrix.free & (matrix.se > 0)
    if not moving.any():
        return None
    se, n = float(np.median(matrix.se[moving])), int(np.median(matrix.counts[moving]))
    return stats.detectable(se, n, alpha=(1 - matrix.confidence) / matrix.tests.tests)


def detectable_at(se: float, critical: float) -> float:
    """The smallest true effect that four of five studies find when |t| must exceed `critical`, in the unit of `se`."""
    return stats.detectable(se, alpha=float(2 * ndtr(-critical)))


def chart(matrix: Matrix, labels: Mapping[str, str] | None = None) -> MapChart:
    """What the figure draws, with interval, p, seeds and n of every place; the row means are the last column."""
    names = labels or {}
    percent = f"{100 * matrix.confidence:.0f} %"
    values, notes, bare = [], [], []
    for r in range(len(matrix.rows)):
        values.append((*(_number(value) for value in matrix.values[r]), _number(matrix.row_means[r])))
        mean = (
            f"[{matrix.row_low[r]:.1f}, {matrix.row_high[r]:.1f}] simultaneous {percent}, "
            f"{counted(int(matrix.row_places[r]), 'language')}"
            if matrix.row_places[r]
            else _nothing(matrix, r)
        )
        notes.append((*(_note(matrix, r, c) for c in range(len(matrix.columns))), mean))
        bare.append((*(bool(own) for own in matrix.own[r]), True))
    return MapChart(
        tuple(names.get(code, code) for code in matrix.rows),
        (*matrix.columns, "mean"),
        tuple(values),
        tuple(notes),
        tuple(bare),
        "tuned on",
        "asked in",
    )


def holes(matrix: Matrix) -> str:
    """What the matrix lacks, languages named; empty where it lacks nothing."""
    have = [row for row, names in zip(matrix.rows, matrix.seed_names, strict=True) if names]
    found = [untuned([row for row in matrix.rows if row not in have])] if len(have) < len(matrix.rows) else []
    referred = have if matrix.against == "monolingual" else matrix.columns
    unjudged = [
        f"{name_of(row)} asked in {name_of(column)}"
        for r, row in enumerate(matrix.rows)
        for c, column in enumerate(matrix.columns)
        if row in have and column in referred and not np.isfinite(matrix.values[r, c])
    ]
    if unjudged:
        shown, rest = unjudged[:3], len(unjudged) - 3
        found.append(f"without scores: {', '.join(shown)}{f' and {rest} more' if rest > 0 else ''}")
    every = sorted({seed for names in matrix.seed_names for seed in names})
    for seed in every:
        lack = [row for row, names in zip(matrix.rows, matrix.seed_names, strict=True) if names and seed not in names]
        if lack:
            found.append(f"seed {seed} is missing for {named(lack)}")
    return "; ".join(found)


def untuned(codes: Sequence[str]) -> str:
    return f"no model is tuned on {named(codes, 'or')} alone"


def asked_for(experiment: str, setting: str, languages: Collection[str]) -> str:
    """The arguments of an experiment of these languages; they are named only where they are not the experiment's own."""
    usual = getattr(ExperimentConfig(), setting)
    own = "" if set(languages) == set(usual) else f" 'experiment.{setting}=[{','.join(languages)}]'"
    return f"+experiment={experiment}{own}"


def named(codes: Sequence[str], last: str = "and") -> str:
    """English, Arabic and Czech."""
    names = [name_of(code) for code in codes]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def _note(matrix: Matrix, r: int, c: int) -> str:
    if not np.isfinite(matrix.values[r, c]):
        return _nothing(matrix, r)
    if matrix.own[r, c]:
        return "a model against itself: 50 by definition"
    span = f"[{matrix.low[r, c]:.1f}, {matrix.high[r, c]:.1f}]"
    n = f"{counted(int(matrix.counts[r, c]), 'prompt')}, {counted(matrix.seeds[r], 'seed')}"
    verdict = VERDICTS[int(matrix.marks[r, c])]
    par = f"{verdict} par" if matrix.marks[r, c] else f"{verdict} from par"
    return f"{span}, {par} ({p_text(float(matrix.tests.holm[r, c]))} after Holm), {n}"


def _nothing(matrix: Matrix, r: int) -> str:
    return "no scores" if matrix.seeds[r] else "no model"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _range(numbers: Sequence[int], noun: str) -> str:
    low, high = min(numbers), max(numbers)
    return counted(low, noun) if low == high else f"{low:,} to {counted(high, noun)}"
