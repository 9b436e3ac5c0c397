"""Properties that hold for all data: swapping sides negates or mirrors, and no result depends on the order of rows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch import stats

seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=30, deadline=None)


def drawn(rng: np.random.Generator, *shape: int, missing: float = 0.0) -> np.ndarray:
    """Scores of 0, 25 .. 100, some missing."""
    values = rng.integers(0, 5, size=shape) * 25.0
    values[rng.random(shape) < missing] = np.nan
    return values


def close(value: Any) -> Any:
    return pytest.approx(value, nan_ok=True, abs=1e-9, rel=1e-7)


def mirrored(forth: stats.Difference, back: stats.Difference) -> bool:
    one = (forth.mean, forth.se, forth.low, forth.high, forth.n, forth.p, forth.detectable)
    return one == close((-back.mean, back.se, -back.high, -back.low, back.n, back.p, back.detectable))


@given(seeds)
@few
def test_clustered_differences(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = drawn(rng, 9, 4, missing=0.2), drawn(rng, 9, 4, missing=0.2)
    found = stats.paired_clustered(first, second)
    assert mirrored(found, stats.paired_clustered(second, first))
    rows, columns = rng.permutation(9), rng.permutation(4)
    again = stats.paired_clustered(first[rows][:, columns], second[rows][:, columns])
    assert vars(again) == close(vars(found))


@given(seeds)
@few
def test_signs_and_flips(seed: int) -> None:
    z = drawn(np.random.default_rng(seed), 8) - 50
    one, other = stats.sign_test(z), stats.sign_test(-z[::-1])
    assert (one.above, one.below, one.p, one.smallest_p) == (other.below, other.above, other.p, other.smallest_p)
    assert (one.low, one.high) == close((1 - other.high, 1 - other.low))
    forth, back = stats.flip_test(z), stats.flip_test(-z[::-1])
    assert forth.p == back.p >= forth.smallest_p
    assert mirrored(forth.gap, back.gap)


@given(st.lists(st.floats(0, 1) | st.just(float("nan")), min_size=1, max_size=20), st.randoms(use_true_random=False))
@few
def test_corrections(p: list[float], random: Any) -> None:
    values, order = np.array(p), np.array(random.sample(range(len(p)), len(p)))
    found, again = stats.corrected(values), stats.corrected(values[order])
    assert again.holm == close(found.holm[order])
    assert again.benjamini_hochberg == close(found.benjamini_hochberg[order])
    there = ~np.isnan(values)
    raw, fdr, fwer = values[there], found.benjamini_hochberg[there], found.holm[there]
    assert (raw <= fdr + 1e-12).all()
    assert (fdr <= fwer + 1e-12).all()
    assert (fwer <= np.minimum(1, raw * found.tests) + 1e-12).all()


@given(seeds)
@few
def test_adding_languages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = drawn(rng, 3, 3, 6, 4)
    scores[:, 1:, :, 3] = np.nan
    found, turned = stats.adding(scores, [1, 2, 4]), stats.adding(100 - scores, [1, 2, 4])
    assert mirrored(found.whole.of_prompts, turned.whole.of_prompts)
    assert mirrored(found.slope.mixed, turned.slope.mixed)
    assert (found.trend.p_rising, found.trend.p_falling) == close((turned.trend.p_falling, turned.trend.p_rising))
    assert found.trend.p_rising >= found.trend.smallest_p - 1e-12
    orders, prompts, languages = rng.permutation(3), rng.permutation(6), rng.permutation(4)
    again = stats.adding(scores[orders][:, :, prompts][..., languages], [1, 2, 4])
    assert vars(again.steps[0].of_prompts) == close(vars(found.steps[0].of_prompts))
    assert again.whole.over_orders.p == found.whole.over_orders.p
    assert vars(again.trend) == close(vars(found.trend))


@given(seeds)
@few
def test_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair, first, second = drawn(rng, 3, 6, 7, 4, missing=0.1)
    found = stats.pairings(pair, first, second)
    swapped = stats.pairings(pair, second, first)
    assert vars(swapped.of_prompts) == close(vars(found.of_prompts))
    turned = stats.pairings(100 - pair, 100 - first, 100 - second)
    assert mirrored(found.of_prompts, turned.of_prompts)
    assert (found.signs.above, found.signs.p) == (turned.signs.below, turned.signs.p)


@given(seeds)
@few
def test_similarity(seed: int) -> None:
    """Other names, other units and turned signs change nothing but the sign."""
    rng = np.random.default_rng(seed)
    scores, predictor = rng.uniform(0, 100, size=(5, 5, 5)), np.triu(rng.integers(0, 2, size=(5, 5)), 1).astype(float)
    predictor += predictor.T
    found = stats.similarity(scores, predictor)
    names = rng.permutation(5)
    again = stats.similarity(scores[:, names][:, :, names], predictor[np.ix_(names, names)])
    assert (again.r, again.p, again.p_greater, again.critical) == close(
        (found.r, found.p, found.p_greater, found.critical)
    )
    turned = stats.similarity(100 - 3 * scores, predictor)
    assert (turned.r, turned.p) == close((-found.r, found.p))
    assert turned.effect.mean == close(-3 * found.effect.mean)
    if found.told:
        assert found.p >= found.smallest_p


@given(seeds)
@few
def test_correlations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 7))
    found = stats.correlation(x, y)
    order = rng.permutation(7)
    for other in (stats.correlation(y, x), stats.correlation(3 * x[order] + 1, y[order])):
        one, same = vars(other), vars(found)
        assert one.pop("without_one") == close(same["without_one"])
        assert one == close({name: value for name, value in same.items() if name != "without_one"})
    turned = stats.correlation(-x, y)
    assert (turned.r, turned.low, turned.high, turned.p, turned.p_permuted, turned.spearman) == close(
        (-found.r, -found.high, -found.low, found.p, found.p_permuted, -found.spearman)
    )
    assert found.low <= found.r <= found.high


@given(seeds)
@few
def test_seeds_and_ways_of_clustering(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = drawn(rng, 3, 8, missing=0.1)
    found, again = stats.multiway(table), stats.multiway(table[rng.permutation(3)][:, rng.permutation(8)].T)
    assert vars(again) == close(vars(found))
    whole = drawn(rng, 3, 8)
    one, turned = stats.seed_variance(whole, par=50), stats.seed_variance(100 - whole[::-1, ::-1], par=50)
    assert one is not None
    assert turned is not None
    assert (one.s2_seed, one.s2_item, one.s2_rest, one.se, one.p) == close(
        (turned.s2_seed, turned.s2_item, turned.s2_rest, turned.se, turned.p)
    )
    assert one.of_both.low == close(100 - turned.of_both.high)
    assert one.of_both.t == close(-turned.of_both.t)
    assert 0 <= one.seed_share <= 1
    assert one.of_both.se >= one.of_prompts.se - 1e-9


@given(seeds)
@few
def test_language_gate(seed: int) -> None:
    """Told from the other side, gated scores are 100 - themselves."""
    rng = np.random.default_rng(seed)
    scores = drawn(rng, 8, 3, missing=0.1)
    right, other = (np.where(rng.random((8, 3)) < 0.1, np.nan, rng.integers(0, 2, (8, 3))) for _ in range(2))
    forth, back = stats.gate(scores, right, other), stats.gate(100 - scores, other, right)
    assert stats.gated(100 - scores, other, right) == close(100 - stats.gated(scores, right, other))
    assert mirrored(forth.gap, back.gap)
    assert (forth.wrong, forth.undecided) == close((back.reference_wrong, back.undecided))
    order = rng.permutation(8)
    assert vars(stats.gate(scores[order], right[order], other[order]).gap) == close(vars(forth.gap))


@given(seeds)
@few
def test_length(seed: int) -> None:
    """Told from the other side, slopes are the same and levels 100 - themselves."""
    rng = np.random.default_rng(seed)
    scores, lengths, other = drawn(rng, 40, 15), rng.integers(1, 90, (40, 15)), rng.integers(1, 90, (40, 15))
    forth, back = stats.length_effect(scores, lengths, other), stats.length_effect(100 - scores, other, lengths)
    assert vars(back.slope) == close(vars(forth.slope))
    assert (back.near, back.level.mean, back.level.low) == close(
        (forth.near, 100 - forth.level.mean, 100 - forth.level.high)
    )
    order = rng.permutation(40)
    again = stats.length_effect(scores[order], lengths[order], other[order])
    assert vars(again.slope) == close(vars(forth.slope))
