"""Known answers: adding languages one by one, Page's test of a trend, the pairs experiment."""

import itertools
import math

import numpy as np
import pytest
from scipy.special import ndtr

from pinch import stats

RNG = np.random.default_rng


# --- adding a language --------------------------------------------------------------------------------------------------


def test_a_constant_step_on_every_item_is_that_step() -> None:
    """Three orders, numbers 1, 2, 3: every language adds 4 points, whatever the prompts, languages and orders."""
    base = RNG(0).uniform(20, 60, size=(3, 1, 50, 6))
    found = stats.adding(base + 4 * np.arange(3)[None, :, None, None], [1, 2, 3])
    for step in (*found.steps, found.whole):
        size = 8 if step is found.whole else 4
        assert (step.of_prompts.mean, step.of_prompts.se) == (pytest.approx(size), 0.0)
        assert step.by_order == pytest.approx((size,) * 3)
        assert (step.over_orders.p, step.over_orders.smallest_p) == (0.25, 0.25)
        assert not step.over_orders.can_tell
    assert [(step.before, step.after) for step in (*found.steps, found.whole)] == [(1, 2), (2, 3), (1, 3)]
    assert (found.slope.of_prompts.mean, found.slope.of_prompts.se) == (pytest.approx(4), 0.0)
    assert found.slope.mixed.mean == pytest.approx(4)
    assert (found.trend.statistic, found.trend.n) == (42, 3)
    assert found.trend.p_rising == pytest.approx(1 / 216)


def test_steps_by_hand_with_languages_that_become_seen() -> None:
    """One order, two prompts, three languages; the third is seen from 2 on. Gaps 10, 20 | 0, missing."""
    scores = np.array([[[[0.0, 10.0, 99.0], [50.0, 50.0, 99.0]], [[10.0, 30.0, np.nan], [50.0, np.nan, np.nan]]]])
    found = stats.adding(scores, [1, 2])
    (step,) = found.steps
    assert (step.of_prompts.mean, step.of_prompts.n) == (10.0, 2)
    assert step.of_prompts.se == pytest.approx(np.sqrt((10**2 + 10**2) * 2) / 3)  # sums of residuals 10 and -10
    assert step.by_order == (10.0,)
    assert (found.slope.of_prompts.mean, found.slope.of_prompts.n) == (15.0, 1)  # the complete prompt alone
    assert (found.trend.n, found.trend.statistic) == (1, 5)


def test_prompts_can_be_sure_while_orders_are_not() -> None:
    """Steps of +6, +6 and -3 by order: surely above zero for these mixtures, nothing known of other orders."""
    steps = np.array([6.0, 6.0, -3.0])[:, None, None]
    before = RNG(1).uniform(30, 60, size=(3, 400, 6))
    after = before + steps + RNG(2).normal(0, 5, size=before.shape)
    found = stats.step(before, after, (1, 2))
    assert found.of_prompts.low > 2
    assert found.over_orders.gap.low < 0 < found.over_orders.gap.high
    assert found.over_orders.p >= found.over_orders.smallest_p == 0.25
    assert found.over_orders.gap.detectable > 10


def test_slope_of_the_mixed_model_is_that_of_least_squares_with_intercepts() -> None:
    """Against a regression with a column for each prompt, order and language, solved as it stands."""
    orders, numbers, prompts, languages = 3, 4, 7, 2
    shape = orders, numbers, prompts, languages
    rng = RNG(4)
    scores = 40 + 3 * np.arange(numbers)[None, :, None, None] + rng.normal(0, 9, size=(1, 1, prompts, 1))
    scores = scores + rng.normal(0, 4, size=(orders, 1, 1, 1)) + rng.normal(0, 6, size=shape)
    o, k, p, la = (axis.ravel() for axis in np.indices(shape))
    dummies = [(one[:, None] == np.arange(n)) for one, n in ((o, orders), (p, prompts), (la, languages))]
    design = np.concatenate([k[:, None], *dummies], axis=1).astype(float)
    solved, _, rank, _ = np.linalg.lstsq(design, scores.ravel(), rcond=None)
    residuals = scores.ravel() - design @ solved
    variance = residuals @ residuals / (scores.size - rank)
    mixed = stats.adding(scores, [1, 2, 3, 4]).slope.mixed
    assert mixed.mean == pytest.approx(solved[0])
    assert mixed.se == pytest.approx(math.sqrt(variance * np.linalg.pinv(design.T @ design)[0, 0]))
    assert mixed.n == scores.size - rank + 1


def test_languages_seen_in_some_order_leave_slope_and_trend() -> None:
    scores = RNG(5).uniform(0, 100, size=(2, 3, 20, 2))
    scores[0, 2, :, 0] = np.nan
    scores[1, 1:, :, 1] = np.nan
    found = stats.adding(scores, [1, 2, 3])
    assert found.slope.of_prompts.n == found.trend.n == 0
    assert found.steps[0].of_prompts.n == 20
    assert np.isnan(found.trend.p_rising)


@pytest.mark.parametrize(("shape", "numbers"), [((3, 2, 4), [1, 2]), ((3, 2, 4, 5), [1, 2, 3]), ((3, 1, 4, 5), [1])])
def test_other_shapes_are_refused(shape: tuple[int, ...], numbers: list[int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        stats.adding(np.zeros(shape), numbers)


def test_numbers_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        stats.adding(np.zeros((1, 2, 3, 4)), [2, 1])


# --- Page's trend test --------------------------------------------------------------------------------------------------

PAGE = {(3, 3): (41, 42), (3, 4): (54, 55), (3, 5): (66, 68), (4, 3): (84, 87), (4, 4): (111, 114), (5, 2): (103, 106)}
"""Critical values of L at .05 and .01 for (columns, rows). Source: Page 1963, JASA 58, table 2."""


def with_statistic(columns: int, rows: int, wanted: int) -> np.ndarray:
    """Some table without ties whose L is as wanted: orders of a row by their own L, put together greedily."""
    by_value = {sum(j * r for j, r in enumerate(row, 1)): row for row in itertools.permutations(range(1, columns + 1))}
    found: list[tuple[int, ...]] = []
    for left in range(rows, 0, -1):
        rest = wanted - sum(sum(j * r for j, r in enumerate(row, 1)) for row in found)
        found.append(by_value[min(by_value, key=lambda value: abs(value - rest / left))])
    return np.array(found, dtype=float)


@pytest.mark.parametrize(("size", "level"), [(size, level) for size in PAGE for level in (0.05, 0.01)])
def test_critical_values_of_page(size: tuple[int, int], level: float) -> None:
    """At the critical value p is at most the level, one below it is more."""
    critical = PAGE[size][level == 0.01]
    at, below = (stats.page(with_statistic(*size, value)) for value in (critical, critical - 1))
    assert (at.statistic, below.statistic, at.exact) == (critical, critical - 1, True)
    assert at.p_rising <= level < below.p_rising


def test_page_by_enumeration_with_and_without_ties() -> None:
    """All 6 ** 3 arrangements of three rows, each row keeping its own ranks."""
    for table in (np.array([[1.0, 2, 3], [2, 1, 3], [1, 3, 2]]), np.array([[1.0, 1, 3], [2, 5, 5], [3, 1, 2]])):
        ranks = [stats.mean_ranks(row) for row in table]
        every = [sum(np.array(row) @ [1, 2, 3] for row in rows) for rows in itertools.product(*map(itertools.permutations, ranks))]  # fmt: skip  # noqa: E501
        found = stats.page(table)
        assert found.p_rising == pytest.approx(np.mean(np.array(every) >= found.statistic))
        assert found.p_falling == pytest.approx(np.mean(np.array(every) <= found.statistic))
        assert found.expected == pytest.approx(np.mean(every)) == 36


def test_page_of_perfect_order() -> None:
    """Three orders of six numbers, all rising: p = 1 / 720 ** 3, the smallest there is; all falling: p = 1."""
    rising = np.tile(np.arange(6.0), (3, 1))
    found, other = stats.page(rising), stats.page(rising[:, ::-1])
    assert (found.statistic, found.expected, found.correlation) == (273, 220.5, pytest.approx(1.0))
    assert found.p_rising == pytest.approx(720.0**-3) == pytest.approx(found.smallest_p)
    assert found.p_falling == pytest.approx(1.0)
    assert (other.p_falling, other.correlation) == (pytest.approx(found.p_rising), pytest.approx(-1.0))


def test_normal_approximation_is_near_the_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    table = RNG(7).normal(size=(20, 5)) + 0.25 * np.arange(5)
    exact = stats.page(table)
    monkeypatch.setattr("pinch.stats.trend.EXACT_ROWS", 0)
    normal = stats.page(table)
    assert (exact.exact, normal.exact) == (True, False)
    assert normal.p_rising == pytest.approx(exact.p_rising, abs=0.01)
    assert 0 < exact.p_rising < 0.1
    assert normal.p_rising == pytest.approx(
        ndtr((900 - normal.statistic) / math.sqrt(500))
    )  # n k^2 (k+1)^2 (k-1) / 144
    assert normal.smallest_p == pytest.approx(120.0**-20)


def test_page_of_ties_and_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = stats.page(np.ones((4, 3)))
    assert (flat.p_rising, flat.p_falling, flat.smallest_p) == pytest.approx((1.0, 1.0, 1.0))
    assert np.isnan(flat.correlation)
    assert stats.page(np.array([[1.0, np.nan, 2.0]])).n == 0
    monkeypatch.setattr("pinch.stats.trend.EXACT_ROWS", 0)
    assert stats.page(np.ones((4, 3))).p_rising == 1.0
    assert stats.mean_ranks(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [2.5, 1.0, 2.5, 4.0]


# --- pairs --------------------------------------------------------------------------------------------------------------


def test_six_pairs_that_all_win() -> None:
    """Pairs 1, 2 ... 6 points above the mean of their two models on the ten other languages."""
    first, second = RNG(8).uniform(20, 70, size=(2, 6, 40, 12))
    for at in range(6):
        first[at, :, 2 * at : 2 * at + 2] = np.nan
    found = stats.pairings((first + second) / 2 + np.arange(1.0, 7.0)[:, None, None], first, second)
    assert (found.of_prompts.mean, found.of_prompts.n) == (pytest.approx(3.5), 40)
    assert [one.mean for one in found.each] == pytest.approx([1, 2, 3, 4, 5, 6])
    assert (found.signs.p, found.signs.p_greater, found.signs.smallest_p) == (0.03125, 0.015625, 0.03125)
    assert (found.over_pairs.p, found.over_pairs.gap.n) == (0.03125, 6)


def test_pairs_need_three_axes() -> None:
    with pytest.raises(ValueError, match="pairs, prompts, languages"):
        stats.pairings(*np.zeros((3, 4, 5)))
