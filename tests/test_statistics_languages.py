"""Known answers: similarity of languages, shares of the pre-training pages, language gate, length."""

import itertools
import math

import numpy as np
import pytest

from pinch import stats

RNG = np.random.default_rng


# --- similarity ---------------------------------------------------------------------------------------------------------

LANGUAGES = ["ru", "sr", "hr", "sl", "pl", "sk", "cs"]


def same(groups: list[int]) -> np.ndarray:
    return (np.array(groups)[:, None] == np.array(groups)).astype(float)


BRANCH = same([0, 1, 1, 1, 2, 2, 2])
SCRIPT = same([0, 0, 1, 1, 1, 1, 1])
INTELLIGIBLE = same([0, 1, 1, 2, 3, 4, 4])


@pytest.mark.parametrize(
    ("predictor", "automorphisms"),
    [(BRANCH, 6 * 6 * 2), (SCRIPT, 2 * 120), (INTELLIGIBLE, 2 * 2 * 2 * 6)],
    ids=["branch", "script", "intelligibility"],
)
def test_scores_equal_to_the_predictor(predictor: np.ndarray, automorphisms: int) -> None:
    """r = 1 and p = automorphisms / 5,040, whatever good rows and easy columns are added."""
    rows, columns = RNG(9).uniform(0, 30, size=(2, 7))
    found = stats.similarity(20 + 5 * predictor + rows[:, None] + columns, predictor)
    assert found.r == pytest.approx(1)
    assert found.p_greater == pytest.approx(automorphisms / 5040)
    assert found.p == found.smallest_p == pytest.approx(automorphisms / 5040)
    assert (found.n, found.places, found.permutations, found.told) == (7, 42, 5040, True)
    assert 0 < found.critical < 1
    assert found.effect.n == 0


def test_automorphisms_are_those_of_the_predictor() -> None:
    for predictor, known in ((BRANCH, 72), (SCRIPT, 240), (INTELLIGIBLE, 48)):
        names = np.array(list(itertools.permutations(range(7))))
        kept = (predictor[names[:, :, None], names[:, None, :]] == predictor).all(axis=(1, 2))
        assert kept.sum() == known


def test_effect_in_points_by_prompt() -> None:
    """Every prompt gives 3 points more to languages of one branch: effect 3 with SE 0; with noise, near 3."""
    items = RNG(10).uniform(20, 60, size=(200, 7, 1)) + 3 * BRANCH
    exact = stats.similarity(items, BRANCH)
    assert (exact.effect.mean, exact.effect.se, exact.effect.n) == (pytest.approx(3), pytest.approx(0, abs=1e-9), 200)
    noisy = items + RNG(11).normal(0, 20, size=(200, 7, 7))
    found = stats.similarity(noisy, BRANCH)
    residual = BRANCH[~np.eye(7, dtype=bool)]
    assert found.effect.low < 3 < found.effect.high
    assert 1 < found.effect.detectable < 6
    assert residual.size == found.places
    plain = stats.similarity(noisy.mean(axis=0), BRANCH)
    assert (plain.r, plain.p) == pytest.approx((found.r, found.p))


def test_slopes_of_complete_prompts_are_their_paired_t_test() -> None:
    """The effect of the mean is the mean of the prompts' effects, with their t test."""
    items = RNG(12).uniform(0, 100, size=(12, 5, 5))
    predictor = same([0, 0, 1, 1, 1])
    off = ~np.eye(5, dtype=bool)
    rows, columns = np.nonzero(off)
    design = np.concatenate([predictor[off][:, None], rows[:, None] == range(5), columns[:, None] == range(5)], axis=1)
    slopes = np.array([np.linalg.lstsq(design.astype(float), one[off], rcond=None)[0][0] for one in items])
    found = stats.similarity(items, predictor)
    known = stats.paired(slopes, np.zeros(12))
    assert vars(found.effect) == pytest.approx(vars(known))
    assert found.permutations == 120


def test_missing_cells_and_items_are_left_out() -> None:
    items = RNG(13).uniform(20, 60, size=(50, 7, 1)) + 3 * BRANCH
    items[:, 0, 3] = np.nan
    items[4, 1, 2] = np.nan
    found = stats.similarity(items, BRANCH)
    assert found.places == 41
    assert found.r > 0.9
    assert found.effect.n == 50


def test_places_with_fewer_prompts_count_with_what_they_have() -> None:
    """SE of a contrast of place means: sum of squares of weight * residual / (prompts of the place), by prompt."""
    items = RNG(13).uniform(0, 100, size=(40, 4, 4))
    items[:30, 0, 1] = np.nan
    predictor = same([0, 0, 1, 1])
    rows, columns = np.nonzero(~np.eye(4, dtype=bool))
    effects = np.concatenate([rows[:, None] == range(4), columns[:, None] == range(4)], axis=1).astype(float)
    x = predictor[rows, columns] - effects @ np.linalg.lstsq(effects, predictor[rows, columns], rcond=None)[0]
    given = items[:, rows, columns]
    parts = np.nan_to_num(given - np.nanmean(given, axis=0)) / (~np.isnan(given)).sum(axis=0) @ (x / (x @ x))
    found = stats.similarity(items, predictor)
    assert found.effect.se == pytest.approx(math.sqrt((parts**2).sum() * 40 / 39))
    assert found.effect.mean == pytest.approx(np.nanmean(given, axis=0) @ x / (x @ x))


def test_one_outsider_cannot_be_told_from_rows_and_columns() -> None:
    """Where one language alone differs from all, `same` is a row effect plus a column effect, and nothing is left."""
    found = stats.similarity(RNG(14).uniform(size=(7, 7)), same([0, 1, 1, 1, 1, 1, 1]))
    assert not found.told
    assert np.isnan(found.p)
    assert found.effect.n == 0
    assert not stats.similarity(np.ones((7, 7)), BRANCH).told


def test_many_languages_are_sampled() -> None:
    predictor = same([0] * 5 + [1] * 5)
    found = stats.similarity(predictor + RNG(15).normal(0, 0.01, size=(10, 10)), predictor, permutations=500)
    assert (found.permutations, found.n) == (501, 10)
    assert found.smallest_p == pytest.approx(1 / 501)
    assert found.smallest_p <= found.p < 0.05
    again = stats.similarity(predictor, predictor, permutations=500)
    assert again.r == pytest.approx(1)


def test_p_of_unrelated_matrices_is_uniform() -> None:
    """Of 200 random matrices 5 % have p <= .05 = 3 of the 60 predictors of this kind: Monte-Carlo error .015."""
    predictor = same([0, 0, 1, 1, 1, 2])
    found = [stats.similarity(RNG(seed).normal(size=(6, 6)), predictor).p for seed in range(200)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.045)
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_three_pairs_of_languages_can_never_reach_a_twentieth() -> None:
    """There are but 15 ways to pair six languages; whoever plans such a study is told."""
    found = stats.similarity(same([0, 0, 1, 1, 2, 2]), same([0, 0, 1, 1, 2, 2]))
    assert found.p == found.smallest_p == pytest.approx(1 / 15)


def test_matrices_of_other_languages_are_refused() -> None:
    with pytest.raises(ValueError, match="same languages"):
        stats.similarity(np.zeros((7, 7)), np.zeros((6, 6)))
    with pytest.raises(ValueError, match="complete predictor"):
        stats.similarity(np.zeros((3, 3)), np.full((3, 3), np.nan))


# --- shares of the pre-training pages -----------------------------------------------------------------------------------


def correlated(r: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y with exactly this correlation."""
    x, noise = RNG(n).normal(size=(2, n))
    x = (x - x.mean()) / x.std()
    noise -= noise.mean() + x * (noise @ x) / n
    return x, r * x + math.sqrt(1 - r**2) * noise / noise.std()


def test_correlation_of_the_paper() -> None:
    """r = .22 of 11 languages: no power rather than no signal."""
    found = stats.correlation(*correlated(0.22, 11))
    assert found.r == pytest.approx(0.22)
    assert (found.low, found.high) == pytest.approx((-0.4376, 0.7243), abs=5e-5)
    assert (found.t, found.p) == pytest.approx((0.6766, 0.5157), abs=5e-5)
    assert found.critical == pytest.approx(0.6021, abs=5e-5)
    assert found.p_permuted == pytest.approx(found.p, abs=0.05)
    assert found.detectable == pytest.approx(math.tanh(2.8016 / math.sqrt(8)), abs=1e-4)
    assert found.without_one[0] < 0.22 < found.without_one[1]
    assert (found.n, found.log) == (11, False)
    twelve = stats.correlation(*correlated(0.22, 12))
    assert (twelve.p, twelve.critical) == pytest.approx((0.4920, 0.5760), abs=5e-5)


def test_spearman_and_permutations_by_hand() -> None:
    """Ranks 1 2 3 4 and 2 1 4 3: rho = 1 - 6 * 4 / (4 * 15) = .6; |rho| >= .6 in 10 of 24 orders, one of 24 is 1."""
    found = stats.correlation(np.array([1.0, 2.0, 3.0, 400.0]), np.array([2.0, 1.0, 40.0, 30.0]))
    assert found.spearman == pytest.approx(0.6)
    orders = [1 - 6 * sum((a - b) ** 2 for a, b in zip(order, range(4), strict=True)) / 60 for order in itertools.permutations(range(4))]  # fmt: skip  # noqa: E501
    assert found.p_spearman == pytest.approx(np.mean([abs(rho) >= 0.6 - 1e-9 for rho in orders]))


def test_log_shares_and_gaps() -> None:
    shares = np.array([0.001, 0.01, 0.1, 1.0, 10.0, np.nan])
    found = stats.correlation(shares, np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), log=True)
    assert (found.r, found.n, found.log) == (pytest.approx(1.0), 5, True)
    assert found.p_permuted == pytest.approx(2 / 120)
    with pytest.raises(ValueError, match="no logarithm"):
        stats.correlation(np.zeros(5), np.arange(5.0), log=True)


def test_one_point_can_carry_a_correlation() -> None:
    x, y = np.array([1.0, 2.0, 3.0, 4.0, 50.0]), np.array([3.0, 1.0, 3.0, 2.0, 90.0])
    found = stats.correlation(x, y)
    assert found.r > 0.99
    assert found.without_one[0] < 0
    assert found.p_permuted > 0.1


def test_correlations_of_too_few_or_equal_points() -> None:
    assert np.isnan(stats.correlation(np.arange(3.0), np.arange(3.0)).r)
    assert np.isnan(stats.correlation(np.ones(6), np.arange(6.0)).p)
    assert stats.fisher(1.0, 10) == (1.0, 1.0)
    assert stats.t_of_r(-1.0, 10) == (-math.inf, 0.0)
    lone = stats.correlation(np.array([0.0, 0, 0, 0, 1]), np.arange(5.0))
    known = [stats.correlation(np.array([0.0, 0, 0, 1]), np.delete(np.arange(5.0), at)).r for at in range(4)]
    assert lone.without_one == pytest.approx((min(known), max(known)))  # without the last, r is undefined


# --- language gate ------------------------------------------------------------------------------------------------------


def test_gate_by_hand() -> None:
    """Wrong: own alone 0, the reference's alone 100, both 50; undecided passes; a missing score stays missing."""
    scores = np.array([[100.0, 50.0], [0.0, 100.0], [100.0, np.nan], [50.0, 0.0]])
    right = np.array([[1.0, 0.0], [1.0, 0.0], [np.nan, 0.0], [1.0, 1.0]])
    other = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [np.nan, 1.0]])
    found = stats.gate(scores, right, other)
    assert stats.gated(scores, right, other) == pytest.approx(
        np.array([[100, 0], [100, 50], [100, np.nan], [50, 0]]), nan_ok=True
    )
    assert (found.judged, found.wrong, found.reference_wrong, found.undecided) == (7, 2 / 7, 2 / 7, 2 / 7)
    assert (found.plain.mean, found.gated.mean) == pytest.approx((400 / 7, 400 / 7))
    assert found.gap.mean == pytest.approx(0)
    assert found.gap.se == pytest.approx(np.sqrt((50**2 + 50**2) * 4 / 3) / 7)  # -50, 100 - 50, 0, 0
    assert (found.gap.n, found.plain.n) == (4, 4)


def test_gate_of_right_answers_changes_nothing() -> None:
    scores = np.array([[0.0], [50.0], [100.0]])
    found = stats.gate(scores, np.ones((3, 1)), np.ones((3, 1)))
    assert (found.gap.mean, found.gap.se, found.gap.p, found.wrong) == (0.0, 0.0, 1.0, 0.0)
    nothing = stats.gate(np.full((2, 1), np.nan), np.ones((2, 1)), np.ones((2, 1)))
    assert (nothing.judged, nothing.gap.n) == (0, 0)
    assert np.isnan(nothing.wrong)


# --- length -------------------------------------------------------------------------------------------------------------


def test_a_line_over_length_is_found_exactly() -> None:
    reference = RNG(16).integers(50, 400, size=(400, 3))
    lengths = reference + RNG(17).normal(0, 60, size=(400, 3))
    d = lengths - reference
    found = stats.length_effect(45 + 20 * np.tanh(d / d.std(ddof=1)), lengths, reference)
    assert (found.slope.mean, found.level.mean) == pytest.approx((20, 45))
    assert found.slope.se == pytest.approx(0, abs=1e-9)
    assert found.judged == 1200
    assert found.near == (np.abs(d) < 0.1 * d.std(ddof=1)).sum()
    assert found.near_share == found.near / 1200
    assert (found.enough, found.level.n) == (True, 400)


def test_length_by_hand() -> None:
    """Differences -1, 0, 1 of standard deviation 1, scores 0, 60, 100: slope 50 / tanh 1, level 160 / 3."""
    found = stats.length_effect(np.array([[0.0], [60.0], [100.0]]), np.array([[1], [2], [3]]), np.full((3, 1), 2))
    assert found.slope.mean == pytest.approx(50 / math.tanh(1))
    residuals, x = np.array([-10, 20, -10]) / 3, np.tanh([-1.0, 0, 1])
    sandwich = math.sqrt(np.square(residuals * x).sum()) / np.square(x).sum() * math.sqrt(3 / 2 * 2 / 1)
    assert found.slope.se == pytest.approx(sandwich)
    assert (found.near, found.judged, found.enough) == (1, 3, False)
    assert np.isnan(found.level.mean)


def test_score_at_equal_length_is_told_only_where_there_are_data() -> None:
    rng = RNG(18)
    reference = np.full((600, 1), 300.0)
    noise = rng.normal(0, 20, size=(600, 1))
    apart = stats.length_effect(50 + noise, reference - 200 + rng.normal(0, 20, size=(600, 1)), reference)
    assert not apart.enough
    assert apart.level.n == 0
    near = stats.length_effect(50 + noise, reference + rng.normal(0, 20, size=(600, 1)), reference)
    assert near.enough
    assert near.level.low < 50 < near.level.high
    assert near.slope.low < 0 < near.slope.high
    assert near.slope.detectable > 0


def test_lengths_that_do_not_vary_or_are_missing() -> None:
    same_length = stats.length_effect(np.array([[0.0], [50.0], [100.0]]), np.full((3, 1), 5), np.full((3, 1), 5))
    assert (same_length.slope.n, same_length.near, same_length.near_share) == (0, 3, 1.0)
    nothing = stats.length_effect(np.full((3, 1), np.nan), np.ones((3, 1)), np.ones((3, 1)))
    assert (nothing.judged, nothing.slope.n) == (0, 0)
    assert not nothing.enough
    far = stats.length_effect(np.array([[0.0], [50.0], [100.0]]), np.array([[1e6], [1e6], [1e6 + 1]]), np.zeros((3, 1)))
    assert far.slope.n == 0
