"""Adding a language: does a model tuned on one language more do better in the languages it was not tuned on?

In: scores [orders, numbers, prompts, languages] of models tuned on rising numbers of languages, which were added in several
orders (permutations); NaN where a language is seen, or a score is missing. Two questions are answered, and kept apart:
about these mixtures and new prompts (`of_prompts`), and about new orders (`over_orders`), of which there are few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pinch.stats.differences import NO_DIFFERENCE, Difference, paired_clustered, t_test
from pinch.stats.means import Array
from pinch.stats.signs import Flips, flip_test
from pinch.stats.trend import Trend, page


@dataclass(frozen=True)
class Step:
    """What going from `before` to `after` languages changes, in points, averaged over orders and unseen languages.

    `of_prompts` holds for just these mixtures (t test, clustered by prompt); `over_orders` takes the mean of each order,
    `by_order`, as one value, and says whether other orders would show the same."""

    before: float
    after: float
    of_prompts: Difference
    by_order: tuple[float, ...]
    over_orders: Flips


@dataclass(frozen=True)
class Slope:
    """Change in points for each language that is added, by least squares, on the languages that no model of any order saw.

    `of_prompts` and `over_orders` as in a `Step`. `mixed` is the model s ~ number + (1 | prompt) + (1 | order) + (1 |
    language): the same slope, as the table is complete, with the SE of its residuals. It takes the slope to be one and the
    same for every prompt and order, so its interval is the narrowest of the three; read it last. Its n is its degrees of
    freedom + 1."""

    of_prompts: Difference
    by_order: tuple[float, ...]
    over_orders: Flips
    mixed: Difference


@dataclass(frozen=True)
class Adding:
    """All steps, the first number against the last (`whole`), the slope, and Page's test of a rise over the numbers with
    orders as its rows. Without languages that stay unseen there is no slope and no trend (n = 0)."""

    steps: tuple[Step, ...]
    whole: Step
    slope: Slope
    trend: Trend


def adding(scores: Array, numbers: Sequence[float], seed: int = 0, confidence: float = 0.95) -> Adding:
    """Everything about scores [orders, numbers, prompts, languages]; `numbers` are those of the tuning languages.

    Raises ValueError for another shape, or numbers that do not rise."""
    table = np.asarray(scores, dtype=float)
    if table.ndim != 4 or table.shape[1] != len(numbers) or len(numbers) < 2:
        raise ValueError(f"scores {table.shape} must be [orders, numbers, prompts, languages], two numbers or more")
    if not (np.diff(numbers) > 0).all():
        raise ValueError(f"numbers of languages {list(numbers)} must rise")
    each = [
        step(table[:, at], table[:, at + 1], (numbers[at], numbers[at + 1]), seed, confidence)
        for at in range(len(numbers) - 1)
    ]
    whole = step(table[:, 0], table[:, -1], (numbers[0], numbers[-1]), seed, confidence)
    kept = _complete(table)
    trend = page(kept.mean(axis=(2, 3)) if kept.size else np.full((1, len(numbers)), np.nan))
    return Adding(tuple(each), whole, _slope(kept, numbers, seed, confidence), trend)


def step(before: Array, after: Array, numbers: tuple[float, float], seed: int = 0, confidence: float = 0.95) -> Step:
    """The step between two tables [orders, prompts, languages], taken within each order, prompt and language. A language
    that is masked on either side, as it is seen from then on, is left out of both."""
    gaps = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    of_prompts, by_order, over_orders = _both(gaps, seed, confidence)
    return Step(numbers[0], numbers[1], of_prompts, by_order, over_orders)


def _both(gaps: Array, seed: int, confidence: float) -> tuple[Difference, tuple[float, ...], Flips]:
    """Both inferences about gaps [orders, prompts, languages]."""
    by_prompt = np.moveaxis(gaps, 1, 0).reshape(gaps.shape[1], -1)
    of_prompts = paired_clustered(by_prompt, np.zeros_like(by_prompt), confidence)
    there = ~np.isnan(gaps)
    counts = there.sum(axis=(1, 2))
    means = np.where(there, gaps, 0.0).sum(axis=(1, 2))[counts > 0] / counts[counts > 0]
    return of_prompts, tuple(float(mean) for mean in means), flip_test(means, seed=seed, confidence=confidence)


def _complete(table: Array) -> Array:
    """Languages that are unseen everywhere, i.e. have a value at every order and number, and the prompts complete there."""
    missing = np.isnan(table)
    unseen = ~np.all(missing, axis=2).any(axis=(0, 1))
    whole = ~missing[..., unseen].any(axis=(0, 1, 3))
    return table[:, :, whole][..., unseen]


def _slope(table: Array, numbers: Sequence[float], seed: int, confidence: float) -> Slope:
    if not table.size:
        return Slope(NO_DIFFERENCE, (), flip_test(np.array([])), NO_DIFFERENCE)
    centred = np.asarray(numbers, dtype=float) - np.mean(numbers)
    slopes = np.einsum("oknl,k->onl", table, centred / np.square(centred).sum())
    of_prompts, by_order, over_orders = _both(slopes, seed, confidence)
    return Slope(of_prompts, by_order, over_orders, _mixed(table, centred, confidence))


def _mixed(table: Array, centred: Array, confidence: float) -> Difference:
    """In a complete crossed table the generalised least squares slope is the plain one, whatever the variances of the three
    random intercepts, and its SE is sqrt(s2_residual / (N / K * sum of centred^2)) with the residuals of the additive model
    (Searle, Casella and McCulloch 1992, Variance Components, 4)."""
    grand = table.mean()
    of_order = table.mean(axis=(1, 2, 3), keepdims=True)
    of_prompt = table.mean(axis=(0, 1, 3), keepdims=True)
    of_language = table.mean(axis=(0, 1, 2), keepdims=True)
    weights = centred[None, :, None, None]
    spread = table.size / centred.size * np.square(centred).sum()
    slope = float((table * weights).sum() / spread)
    residuals = table - of_order - of_prompt - of_language + 2 * grand - slope * weights
    free = table.size - (table.shape[0] + table.shape[2] + table.shape[3] - 2) - 1
    if free < 1:
        return NO_DIFFERENCE
    return t_test(slope, float(np.sqrt(np.square(residuals).sum() / free / spread)), free + 1, confidence)
