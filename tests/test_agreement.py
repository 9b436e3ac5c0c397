"""Measures of agreement: tables counted by hand, the kappa paradox, conventions where nothing is defined, the bootstrap."""

from collections.abc import Callable

import numpy as np
import pytest

from pinch import agreement
from pinch.agreement import Agreement, Resampling

PARADOX = np.repeat([[1, 1], [1, 0], [0, 1]], [118, 5, 2], axis=0)
"""Both say 1 of 118 items, and of no item both say 0."""

FEW = np.array([["win", "win"], ["win", "tie"], ["loss", "loss"], ["win", "loss"]])
EVERY = (agreement.raw, agreement.cohen, agreement.fleiss, agreement.randolph, agreement.ac1)


def test_two_raters_by_hand() -> None:
    """Shares: first rater win 3/4, loss 1/4; second win 1/4, tie 1/4, loss 2/4; together win 1/2, tie 1/8, loss 3/8."""
    assert agreement.raw(FEW).value == 0.5
    assert agreement.tie_discounted(FEW, "tie").value == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    by_habit = 3 / 4 * 1 / 4 + 1 / 4 * 2 / 4
    assert agreement.cohen(FEW).value == pytest.approx((0.5 - by_habit) / (1 - by_habit))
    pooled = 1 / 4 + 1 / 64 + 9 / 64
    assert agreement.fleiss(FEW).value == pytest.approx((0.5 - pooled) / (1 - pooled))
    assert agreement.randolph(FEW).value == pytest.approx((0.5 - 1 / 3) / (1 - 1 / 3))
    gwet = (1 / 4 + 1 / 8 * 7 / 8 + 3 / 8 * 5 / 8) / 2
    assert agreement.ac1(FEW).value == pytest.approx((0.5 - gwet) / (1 - gwet))
    assert agreement.raw(FEW).n == 4


def test_three_raters_by_hand() -> None:
    """One item unanimous, one 2 to 1 (1 of 3 pairs agrees), one all different."""
    labels = np.array([[1, 1, 1], [1, 1, 2], [0, 1, 2]])
    assert agreement.raw(labels).value == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert agreement.tie_discounted(labels, 0).value == pytest.approx((1 + 1 / 3 + (0.5 + 0.5 + 0) / 3) / 3)
    share = np.array([1, 6, 2]) / 9
    seen, expected = 4 / 9, float((share**2).sum())
    assert agreement.fleiss(labels).value == pytest.approx((seen - expected) / (1 - expected))
    gwet = float((share * (1 - share)).sum() / 2)
    assert agreement.ac1(labels).value == pytest.approx((seen - gwet) / (1 - gwet))


def test_kappa_paradox() -> None:
    assert agreement.raw(PARADOX).value == pytest.approx(0.944)
    assert agreement.cohen(PARADOX).value == pytest.approx(-0.0234, abs=5e-5)
    assert agreement.ac1(PARADOX).value == pytest.approx(0.9408, abs=5e-5)


def test_kappa_of_the_paper_that_made_it() -> None:
    """The example of Cohen 1960, proportions as 100 items: kappa .492."""
    cells = {(0, 0): 44, (0, 1): 5, (0, 2): 1, (1, 0): 7, (1, 1): 20, (1, 2): 3, (2, 0): 9, (2, 1): 5, (2, 2): 6}
    labels = np.repeat(np.array(list(cells)), list(cells.values()), axis=0)
    assert agreement.cohen(labels).value == pytest.approx(0.492, abs=5e-4)


def test_possible_categories_count_whether_seen_or_not() -> None:
    two = np.array([[1, 1], [1, 2]])
    assert agreement.randolph(two, categories=4).value == pytest.approx((0.5 - 0.25) / 0.75)
    chance = (3 / 4 * 1 / 4 * 2) / 3
    assert agreement.ac1(two, categories=4).value == pytest.approx((0.5 - chance) / (1 - chance))
    with pytest.raises(ValueError, match="categories=1, but 2 different labels occur"):
        agreement.ac1(two, categories=1)


def test_where_chance_explains_everything_nothing_is_known() -> None:
    same = np.array([["tie", "tie"]] * 9)
    for measure in (agreement.cohen, agreement.fleiss, agreement.randolph, agreement.ac1):
        found = measure(same)
        assert np.isnan([found.value, found.low, found.high]).all()
        assert found.n == 9
    assert agreement.raw(same).value == 1
    assert agreement.ac1(same, categories=3).value == 1


def test_no_items() -> None:
    for measure in EVERY:
        found = measure(np.empty((0, 2), dtype=str))
        assert found.n == 0
        assert np.isnan(found.value)


@pytest.mark.parametrize(("agree", "low", "high"), [(True, 0.93581, 1.0), (False, 0.0, 0.06419)])
def test_full_agreement_is_not_certain(agree: bool, low: float, high: float) -> None:
    """Wilson 95 % for 56 of 56 is 93.58..100 %, though every resample agrees."""
    labels = np.array([[1, 1 if agree else 2], [2, 2 if agree else 1]] * 28)
    found = agreement.raw(labels)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-5)
    kappa = agreement.cohen(labels)
    if agree:  # chance is 1/2, so kappa is 2 a - 1
        assert (kappa.value, kappa.low, kappa.high) == pytest.approx((1, 2 * low - 1, 1), abs=1e-5)


def test_interval_is_that_of_resampled_rows() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 200)
    labels = np.stack([truth, np.where(rng.random(200) < 0.7, truth, rng.integers(0, 3, 200))], axis=1)
    by = Resampling(confidence=0.9, resamples=4000, seed=1)
    rows = labels[rng.integers(0, 200, (4000, 200))]
    seen = (rows[:, :, 0] == rows[:, :, 1]).mean(axis=1)
    share = [np.stack([(rows[:, :, rater] == c).mean(axis=1) for c in range(3)]) for rater in (0, 1)]
    chance = (share[0] * share[1]).sum(axis=0)
    naive = np.quantile((seen - chance) / (1 - chance), [0.05, 0.95])
    found = agreement.cohen(labels, by=by)
    assert (found.low, found.high) == pytest.approx(tuple(naive), abs=0.01)
    assert found.high - found.low > 0.1


def test_copies_of_an_item_in_its_cluster_add_nothing() -> None:
    """11 languages in which everything is the same are one language, if prompts are resampled whole."""
    once = np.random.default_rng(0).integers(0, 3, (60, 2))
    prompts = np.repeat(np.arange(60), 11)
    for measure in EVERY:
        alone, together = measure(once), measure(np.repeat(once, 11, axis=0), prompts)
        assert (together.value, together.low, together.high) == pytest.approx((alone.value, alone.low, alone.high))
        assert together.n == 60
    naive = agreement.raw(np.repeat(once, 11, axis=0))
    assert naive.high - naive.low < 0.5 * (agreement.raw(once).high - agreement.raw(once).low)


def test_same_seed_same_interval_whatever_the_order_and_the_names() -> None:
    labels = np.random.default_rng(5).integers(0, 3, (80, 3))
    names = np.array(["loss", "tie", "win"])[labels]
    shuffled = labels[np.random.default_rng(6).permutation(80)]
    found = agreement.fleiss(labels)
    assert agreement.fleiss(shuffled) == found
    assert agreement.fleiss(names) == found
    other = agreement.fleiss(labels, by=Resampling(seed=1))
    assert other.value == found.value
    assert other.low != found.low


@pytest.mark.parametrize(
    ("labels", "clusters", "message"),
    [
        (np.array([1, 2, 3]), None, r"shape \(3,\) must be a table"),
        (np.array([[1], [2]]), None, "two raters or more"),
        (np.array([[1.0, np.nan]]), None, "type float64 must be integers or strings, without gaps"),
        (np.array([["win", None]]), None, "type object must be integers or strings"),
        (np.array([[1, 2], [1, 1]]), np.array(["p1"]), "one cluster for each of 2 items"),
    ],
)
def test_what_is_no_table_of_labels_is_refused(labels: np.ndarray, clusters: np.ndarray | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        agreement.raw(labels, clusters)


def test_cohen_is_of_two() -> None:
    with pytest.raises(ValueError, match="two raters, these are 3; use fleiss"):
        agreement.cohen(np.array([[1, 1, 1], [2, 2, 2]]))


def test_bounds() -> None:
    assert agreement.bounds(697, 974, 25) == pytest.approx((697 / 999, 722 / 999))
    assert np.isnan(agreement.bounds(0, 0, 0)).all()


@pytest.mark.parametrize("measure", EVERY)
def test_swapping_raters_changes_nothing(measure: Callable[[np.ndarray], Agreement]) -> None:
    labels = np.random.default_rng(8).integers(0, 3, (50, 2))
    assert measure(labels).value == pytest.approx(measure(labels[:, ::-1]).value)
