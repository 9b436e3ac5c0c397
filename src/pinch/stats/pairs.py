"""The pairs experiment: do models tuned on two languages do better elsewhere than the two models tuned on one of them?"""

from dataclasses import dataclass

import numpy as np

from pinch.stats.differences import Difference, paired_clustered
from pinch.stats.means import Array
from pinch.stats.signs import Flips, Signs, flip_test, sign_test


@dataclass(frozen=True)
class Pairings:
    """Pairs against the mean of their two monolingual models, in points.

    `of_prompts` averages over pairs and languages and holds for just these pairs (clustered by prompt); `each` is the same
    pair by pair. `signs` and `over_pairs` take a pair's mean as one value, and so speak of other pairs, provided that no
    language is in two pairs."""

    of_prompts: Difference
    each: tuple[Difference, ...]
    signs: Signs
    over_pairs: Flips


def pairings(pair: Array, first: Array, second: Array, seed: int = 0, confidence: float = 0.95) -> Pairings:
    """z = pair - (first + second) / 2 for tables [pairs, prompts, languages]; NaN where a language is in the pair, or a
    score is missing. `first` and `second` are the monolingual models of the pair's languages.

    Six pairs, all better: sign test p .0312 two-sided, .0156 one-sided; fewer than six can never reach .05 two-sided."""
    gaps = np.asarray(pair, dtype=float) - (np.asarray(first, dtype=float) + np.asarray(second, dtype=float)) / 2
    if gaps.ndim != 3:
        raise ValueError(f"scores {gaps.shape} must be [pairs, prompts, languages]")
    by_prompt = np.moveaxis(gaps, 1, 0).reshape(gaps.shape[1], -1)
    each = tuple(paired_clustered(one, np.zeros_like(one), confidence) for one in gaps)
    means = np.array([one.mean for one in each])
    return Pairings(
        paired_clustered(by_prompt, np.zeros_like(by_prompt), confidence),
        each,
        sign_test(means, confidence),
        flip_test(means, seed=seed, confidence=confidence),
    )
