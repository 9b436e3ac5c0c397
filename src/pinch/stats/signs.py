"""Tests by signs: which values would be as far from zero if each could as well have had the other sign?

With few values the smallest p that such a test can give is large (`smallest_p`); a plan should say so beforehand.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, betaincinv

from pinch.stats.differences import Difference, paired
from pinch.stats.means import Array

EXACT_FLIPS = 14
"""Sign-flip tests of up to this many values are enumerated (2 ** 14 patterns) instead of sampled."""

BLOCK = 2_000_000
"""Random numbers drawn at a time; bounds the memory of resampling to some 16 MB."""


@dataclass(frozen=True)
class Flips:
    """A handful of differences, e.g. one for each order of adding languages, as a sample of all that might be.

    `gap` has their mean, t interval and detectable effect, `p` is two-sided by flipping signs, and never below `smallest_p`.
    """

    gap: Difference
    p: float
    smallest_p: float

    @property
    def can_tell(self) -> bool:
        """Whether any outcome of so few values could have had a p below .05."""
        return self.smallest_p < 0.05


@dataclass(frozen=True)
class Signs:
    """How many differences are above, below and equal to zero, with the exact sign test of those that are not zero.

    `p` is two-sided, `p_greater` one-sided; `share` is above / (above + below), 0..1, with its Clopper-Pearson interval."""

    above: int
    below: int
    equal: int
    share: float
    low: float
    high: float
    p: float
    p_greater: float
    smallest_p: float

    @property
    def n(self) -> int:
        return self.above + self.below


def sign_flip(z: Array, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the hypothesis that z is symmetric around zero, by flipping signs at random.

    Up to EXACT_FLIPS values all patterns are enumerated: n values of one sign give 2 ** (1 - n), the smallest p there
    is (3 values: .25, 6: .031). Beyond that, (1 + hits) / (1 + resamples). NaN values are left out."""
    kept = np.asarray(z, dtype=float)
    kept = kept[~np.isnan(kept)]
    n = kept.size
    if n == 0:
        return float("nan")
    observed = abs(kept.sum()) * (1 - 1e-12)  # sums of the same numbers in another order differ in their last bits
    if n <= EXACT_FLIPS:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * patterns) @ kept) >= observed).mean())
    rng = np.random.default_rng(seed)
    hits = 0
    for rows in blocks(resamples, n):
        signs = rng.integers(0, 2, size=(rows, n)) * 2 - 1
        hits += int((np.abs(signs @ kept) >= observed).sum())
    return (1 + hits) / (1 + resamples)


def flip_test(z: Array, resamples: int = 10_000, seed: int = 0, confidence: float = 0.95) -> Flips:
    """The sign-flip test of z with its mean, interval, and the smallest p that it could have given."""
    kept = np.asarray(z, dtype=float)
    kept = kept[~np.isnan(kept)]
    gap = paired(kept, np.zeros_like(kept), confidence)
    return Flips(gap, sign_flip(kept, resamples, seed), smallest_p(kept.size, resamples))


def smallest_p(n: int, resamples: int = 10_000) -> float:
    """The smallest two-sided p of a sign test or sign-flip test of n values: 2 ** (1 - n). 3: .25, 6: .031, 10: .002.

    Where sign-flips are sampled it is at least 1 / (1 + resamples). NaN for n = 0."""
    if n == 0:
        return float("nan")
    return 2.0 ** (1 - n) if n <= EXACT_FLIPS else max(2.0 ** (1 - n), 1 / (1 + resamples))


def sign_test(z: Array, confidence: float = 0.95) -> Signs:
    """Exact sign test of z against zero; zeros say nothing of a direction and are left out, so are NaN values.

    p = 2 P(X >= max(above, below)), at most 1, with X binomial (n, 1/2). 6 of 6: two-sided .03125, one-sided .015625.
    Source: Conover 1999, Practical Nonparametric Statistics, 3.4; Clopper and Pearson 1934, Biometrika 26."""
    kept = np.asarray(z, dtype=float)
    kept = kept[~np.isnan(kept)]
    above, below = int((kept > 0).sum()), int((kept < 0).sum())
    equal, n = kept.size - above - below, above + below
    if n == 0:
        return Signs(0, 0, equal, np.nan, 0.0, 1.0, np.nan, np.nan, np.nan)
    tail = (1 - confidence) / 2
    low = float(betaincinv(above, below + 1, tail)) if above else 0.0
    high = float(betaincinv(above + 1, below, 1 - tail)) if below else 1.0
    p = min(1.0, 2 * float(bdtr(min(above, below), n, 0.5)))
    return Signs(above, below, equal, above / n, low, high, p, float(bdtr(below, n, 0.5)), 2.0 ** (1 - n))


def blocks(resamples: int, width: int) -> list[int]:
    """Numbers of rows, each block at most BLOCK numbers, `resamples` rows in all."""
    rows = max(1, BLOCK // max(width, 1))
    return [min(rows, resamples - start) for start in range(0, resamples, rows)]
