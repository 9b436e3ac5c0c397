"""Scores when an answer in the wrong language cannot win, beside the scores as judged.

Judges do not keep to the language rule by themselves. Source: Chen et al. 2023, arXiv 2309.08958, who force the score of
answers in the wrong language to the lowest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pinch.stats.differences import Difference, paired_clustered
from pinch.stats.means import Array, Estimate, clustered


@dataclass(frozen=True)
class Gate:
    """Scores in per cent as judged (`plain`) and behind the gate (`gated`), and what the gate takes or gives (`gap`: gated
    - plain, paired and clustered by prompt). Shares, 0..1, of judged answers in the wrong language: of the cell, of the
    reference; `undecided` is the share of comparisons with a language that could not be told, which the gate lets pass."""

    plain: Estimate
    gated: Estimate
    gap: Difference
    wrong: float
    reference_wrong: float
    undecided: float
    judged: int


def gated(scores: Array, right: Array, reference_right: Array) -> Array:
    """Scores 0..100 with wrong-language answers forced to lose: 0 if only the cell's answer is in the wrong language, 100 if
    only the reference's is, 50 if both are. `right` and `reference_right` are 1, 0, or NaN (undecided: counts as right).

    Missing scores stay missing. Swapping the two sides gives 100 - the gated score."""
    wrong, other = np.asarray(right, dtype=float) == 0, np.asarray(reference_right, dtype=float) == 0
    found = np.where(wrong | other, 50.0 * (1 - wrong.astype(float) + other), np.asarray(scores, dtype=float))
    return np.where(np.isnan(scores), np.nan, found)


def gate(scores: Array, right: Array, reference_right: Array, confidence: float = 0.95) -> Gate:
    """The gate over tables [prompts, languages]; see `gated`."""
    plain = np.asarray(scores, dtype=float)
    behind = gated(plain, right, reference_right)
    there = ~np.isnan(plain)
    one, two = np.asarray(right, dtype=float)[there], np.asarray(reference_right, dtype=float)[there]
    return Gate(
        clustered(plain, confidence),
        clustered(behind, confidence),
        paired_clustered(behind, plain, confidence),
        wrong=_share(one == 0),
        reference_wrong=_share(two == 0),
        undecided=_share(np.isnan(one) | np.isnan(two)),
        judged=int(there.sum()),
    )


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if hits.size else float("nan")
