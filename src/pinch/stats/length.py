"""Scores over the difference in length: is the longer answer the better one, and are there comparisons of equal length?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinch.stats.differences import NO_DIFFERENCE, Difference, t_test
from pinch.stats.means import NOTHING, Array, Estimate

NEAR = 0.1
"""Lengths are nearly equal where they differ by less than this many standard deviations of the difference."""

NEAR_ITEMS = 30
NEAR_SHARE = 0.05
"""A score at equal length is given with at least so many such comparisons, and such a share of all. A normal spread of
differences around zero has 8 %; with fewer the line is drawn where there are no data, and such scores go astray: up to 28
points on a published model that answers in a few words (AlpacaEval's gpt4_gamed, 40 for 12)."""


@dataclass(frozen=True)
class Length:
    """Line of scores over tanh(standardised length difference), in points from equal length to much longer.

    `slope` is tested against zero, clustered by prompt. `near` counts comparisons of nearly equal length, `near_share` is
    their share, 0..1; `level` is the line's score at equal length, NaN throughout unless `enough` of them are there. It is
    never the headline: it answers what would be if lengths were equal, not how good the answers are."""

    slope: Difference
    level: Estimate
    near: int
    near_share: float
    judged: int

    @property
    def enough(self) -> bool:
        return self.near >= NEAR_ITEMS and self.near_share >= NEAR_SHARE


def length_effect(scores: Array, lengths: Array, reference_lengths: Array, confidence: float = 0.95) -> Length:
    """Least squares S = level + slope * tanh(d / sd(d)), d = length - reference length, over tables [prompts, languages].

    sd is over all comparisons (ddof 1), d is not centred: 0 is equal length. SE: sandwich with prompts as clusters, factor
    G / (G - 1) * (N - 1) / (N - 2). Source: Dubois et al. 2024, arXiv 2404.04475 (there a logistic model with a term for the
    instruction). NaN values are left out; lengths that do not vary give NaN."""
    table, d = np.asarray(scores, dtype=float), np.asarray(lengths, dtype=float) - np.asarray(reference_lengths)
    there = ~(np.isnan(table) | np.isnan(d))
    prompt, s, d = np.nonzero(there)[0], table[there], d[there]
    judged = s.size
    spread = float(d.std(ddof=1)) if judged > 2 else 0.0
    near = int((np.abs(d) < NEAR * spread).sum()) if spread > 0 else int((d == 0).sum())
    share = near / judged if judged else np.nan
    clusters = len(np.unique(prompt))
    x = np.tanh(d / spread) if spread > 0 else np.zeros(judged)
    if clusters < 3 or np.ptp(x) < 1e-9:
        return Length(NO_DIFFERENCE, NOTHING, near, share, judged)
    (level, slope), (level_se, slope_se) = _line(x, s, prompt)
    found = Length(t_test(slope, slope_se, clusters, confidence), NOTHING, near, share, judged)
    if not found.enough:
        return found
    at_zero = t_test(level, level_se, clusters, confidence)
    span = Estimate(level, level_se, max(0.0, at_zero.low), min(100.0, at_zero.high), clusters)
    return Length(found.slope, span, near, share, judged)


def _line(x: Array, y: Array, cluster: NDArray[np.intp]) -> tuple[Array, Array]:
    """Intercept and slope by least squares, and their clustered standard errors."""
    design = np.stack([np.ones_like(x), x], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ y
    scores = design * (y - design @ found)[:, None]
    _, number = np.unique(cluster, return_inverse=True)
    sums = np.stack([np.bincount(number, weights=column) for column in scores.T], axis=1)
    clusters, n = len(sums), len(y)
    factor = clusters / (clusters - 1) * (n - 1) / (n - 2)
    return found, np.sqrt(np.diag(inverse @ (sums.T @ sums) @ inverse) * factor)
