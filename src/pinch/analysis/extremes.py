"""Pure: the best and the worst row of a matrix, and whether the two can be told apart, for all that they were picked.

In: a `Matrix`. Out: `Extremes`.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinch import stats
from pinch.analysis import places
from pinch.analysis.matrices import Matrix, over_places
from pinch.analysis.study import Array, Options


@dataclass(frozen=True)
class Extremes:
    """The rows with the highest and the lowest mean and their difference in the languages that both are asked in.

    `low` and `high` hold for all `pairs` of rows at once, `p` is corrected for as many, so both allow for having picked
    the two; `told` is how many pairs of rows are distinguishable after correction."""

    best: str
    worst: str
    gap: float
    low: float
    high: float
    p: float
    detectable: float
    prompts: int
    languages: int
    pairs: int
    told: int


def extremes(matrix: Matrix, options: Options) -> Extremes | None:
    """Of the rows that have as many places as any; None with fewer than two of them, or without common languages."""
    full = np.flatnonzero(matrix.row_places == matrix.row_places.max())
    pairs = [pair for pair in itertools.combinations(full.tolist(), 2) if common(matrix, *pair).any()]
    if not pairs:
        return None
    best, worst = (int(full[at]) for at in (matrix.row_means[full].argmax(), matrix.row_means[full].argmin()))
    picked = (min(best, worst), max(best, worst))
    if picked not in pairs:
        return None
    gaps = np.stack([_row_gap(matrix, *pair) for pair in pairs], axis=1)
    bands = stats.bands(gaps, options.confidence, options.resamples, options.seed)
    none = np.zeros(len(gaps))
    p = stats.holm(np.array([stats.paired(gap, none, options.confidence).p for gap in gaps.T]))
    at, sign = pairs.index(picked), 1 if picked == (best, worst) else -1
    low, high = sorted((sign * float(bands.low[at]), sign * float(bands.high[at])))
    return Extremes(
        matrix.rows[best],
        matrix.rows[worst],
        sign * float(bands.mean[at]),
        low,
        high,
        float(p[at]),
        places.detectable_at(float(bands.se[at]), bands.critical),
        int(np.isfinite(gaps[:, at]).sum()),
        int(common(matrix, *picked).sum()),
        len(pairs),
        int((p <= 1 - options.confidence).sum()),
    )


def common(matrix: Matrix, one: int, other: int) -> NDArray[np.bool_]:
    """The columns in which two rows both have a place that is averaged."""
    found: NDArray[np.bool_] = matrix.free[one] & matrix.free[other]
    return found


def _row_gap(matrix: Matrix, one: int, other: int) -> Array:
    """How much a row is better than another for every prompt, averaged over the languages that both are asked in."""
    both = common(matrix, one, other)
    return over_places(matrix.points[one][both] - matrix.points[other][both])
