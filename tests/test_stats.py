"""Known answers (published models, textbook values), a simulation of coverage, and properties."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch import stats

AE1 = Path(__file__).resolve().parents[2] / "shared" / "data" / "ae1_gpt4_pairs.jsonl"
POINTS = {1: 0.0, 2: 100.0, 1.5: 50.0, 0: 50.0, None: np.nan}

floats = st.lists(st.sampled_from([0.0, 25.0, 50.0, 75.0, 100.0]), min_size=3, max_size=30)


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    """Item scores in per cent of the eight AlpacaEval 1 models, NaN where the judge could not be parsed."""
    if not AE1.exists():
        pytest.skip(f"{AE1} is not there: published preferences are not part of the repository")
    models: dict[str, np.ndarray] = {}
    for line in AE1.read_text(encoding="utf-8").split("\n"):
        if line:
            row = json.loads(line)
            models.setdefault(row["model"], np.full(805, np.nan))[row["id"]] = POINTS[row["pref"]]
    return models


def test_mean_by_hand() -> None:
    found = stats.mean(np.array([0.0, 50.0, 100.0, 50.0, np.nan]), bounds=(-100.0, 200.0))
    assert (found.mean, found.n) == (50.0, 4)
    assert found.se == pytest.approx(np.sqrt(5000 / 3) / 2)
    assert found.high - 50 == pytest.approx(3.182446 * found.se, rel=1e-6)  # t table, 3 degrees of freedom


def test_published_win_rates_and_standard_errors(published: dict[str, np.ndarray]) -> None:
    known = json.loads(AE1.with_name("ae1_published.json").read_text(encoding="utf-8"))
    assert len(known) == 8
    for name, row in known.items():
        found = stats.mean(published[name])
        assert found.mean == pytest.approx(row["win_rate"], abs=1e-9)
        assert found.se == pytest.approx(row["standard_error"], abs=1e-9)
        assert found.n == row["n_total"]


@pytest.mark.parametrize(
    ("first", "second", "mean", "se", "t", "p", "n"),
    [
        ("phi-2", "alpaca-7b", 4.1302, 1.9346, 2.1349, 0.0331, 799),
        ("falcon-7b-instruct", "phi-2", 14.9562, 2.2010, 6.795, 0.0, 799),
        ("gpt35_turbo_instruct", "gpt-3.5-turbo-0301", -7.6250, 1.5131, -5.0392, 0.0, 800),
    ],
)
def test_paired_differences_of_published_models(
    published: dict[str, np.ndarray], first: str, second: str, mean: float, se: float, t: float, p: float, n: int
) -> None:
    found = stats.paired(published[first], published[second])
    assert (found.mean, found.se, found.t) == pytest.approx((mean, se, t), abs=1e-3)
    assert found.p == pytest.approx(p, abs=1e-3)
    assert found.n == n
    assert stats.sign_flip(published[first] - published[second], 4000, seed=1) == pytest.approx(found.p, abs=0.06)


def test_clustered_mean_of_published_models(published: dict[str, np.ndarray]) -> None:
    table = np.stack(list(published.values()), axis=1)
    complete = table[~np.isnan(table).any(axis=1)]
    found = stats.clustered(complete)
    assert (found.n, found.mean, found.se) == (794, pytest.approx(59.0050, abs=1e-4), pytest.approx(0.6531, abs=1e-4))
    rng = np.random.default_rng(0)
    drawn = [complete[rng.integers(0, 794, 794)].mean() for _ in range(1000)]
    assert np.std(drawn) == pytest.approx(found.se, rel=0.1)  # cluster bootstrap


def test_clustered_unbalanced_by_hand() -> None:
    table = np.array([[0.0, 100.0], [100.0, np.nan], [50.0, 50.0], [np.nan, np.nan]])
    found = stats.clustered(table)
    assert found.mean == 60.0
    assert found.n == 3
    assert found.se == pytest.approx(np.sqrt((20**2 + 40**2 + 20**2) * 3 / 2) / 5)  # residual sums -20, 40, -20


def test_clustered_agrees_with_the_means_of_complete_clusters() -> None:
    table = np.random.default_rng(1).uniform(0, 100, size=(40, 7))
    by_hand = stats.mean(table.mean(axis=1))
    found = stats.clustered(table)
    assert (found.mean, found.se, found.low, found.n) == pytest.approx(
        (by_hand.mean, by_hand.se, by_hand.low, by_hand.n)
    )


def test_one_member_per_cluster_is_the_plain_mean() -> None:
    values = np.array([0.0, 100.0, 50.0, 50.0, 100.0])
    assert stats.clustered(values[:, None]).se == pytest.approx(stats.mean(values).se)


@pytest.mark.parametrize(("value", "low", "high"), [(100.0, 93.581, 100.0), (0.0, 0.0, 6.419), (50.0, 46.790, 53.210)])
def test_equal_items_are_not_certain(value: float, low: float, high: float) -> None:
    """Wilson 95 % for 56 of 56 is 93.58..100 (z^2 / (n + z^2) = 6.42 %)."""
    for found in (stats.mean(np.full(56, value)), stats.clustered(np.full((56, 3), value))):
        assert found.se == 0
        assert (found.mean, found.low, found.high) == pytest.approx((value, low, high), abs=1e-3)


def test_few_values() -> None:
    nothing = stats.mean(np.array([np.nan]))
    assert nothing.n == 0
    assert np.isnan(nothing.mean)
    assert stats.clustered(np.full((2, 2), np.nan)).n == 0
    one = stats.mean(np.array([100.0]))
    assert np.isnan(one.se)
    assert one.low < 30
    assert np.isnan(stats.paired(np.array([1.0]), np.array([2.0])).p)
    assert stats.paired(np.array([np.nan]), np.array([2.0])).n == 0


def test_values_outside_their_scale_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        stats.mean(np.array([-5.0, 5.0]))
    assert stats.mean(np.array([-5.0, 5.0]), bounds=(-100.0, 100.0)).mean == 0


def test_a_constant_step_is_found_exactly() -> None:
    items = np.array([10.0, 40.0, 30.0, 80.0])
    found = stats.paired(items + 5, items)
    assert (found.mean, found.se, found.low, found.high) == (5.0, 0.0, 5.0, 5.0)
    assert found.p == 0.125
    assert stats.paired(items, items).p == 1.0


@pytest.mark.parametrize(("n", "p"), [(3, 0.25), (6, 0.03125), (10, 2 / 1024)])
def test_smallest_p_of_few_permutations(n: int, p: float) -> None:
    assert stats.sign_flip(np.arange(1.0, n + 1)) == p


def test_sampled_and_enumerated_sign_flips_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    z = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, -6.0, 5.0, 3.0])
    exact = stats.sign_flip(z)
    monkeypatch.setattr("pinch.stats.signs.EXACT_FLIPS", 0)
    assert stats.sign_flip(z, 20_000, seed=3) == pytest.approx(exact, abs=0.015)
    assert stats.sign_flip(z, 500, seed=3) == stats.sign_flip(z, 500, seed=3)


@pytest.mark.parametrize(("points", "critical"), [(1, 1.960), (11, 2.830), (132, 3.548)])
def test_critical_value_of_independent_points_is_sidaks(points: int, critical: float) -> None:
    drawn = np.random.default_rng(5).normal(size=(1500, points))
    assert stats.bands(drawn, resamples=5000, seed=2).critical == pytest.approx(critical, abs=0.07)


def test_critical_value_of_one_curve_repeated_is_pointwise() -> None:
    drawn = np.random.default_rng(6).normal(size=(1500, 1))
    assert stats.bands(np.repeat(drawn, 11, axis=1), resamples=5000).critical == pytest.approx(1.96, abs=0.05)


def test_bands_by_hand() -> None:
    points = np.array([[0.0, 50.0, np.nan], [100.0, 50.0, 100.0], [50.0, 50.0, 0.0], [50.0, 50.0, 50.0]])
    found = stats.bands(points, bounds=(0.0, 100.0))
    assert found.mean.tolist() == [50, 50, 50]
    assert found.se.tolist() == pytest.approx([np.sqrt(5000 / 3) / 2, 0, 50 / np.sqrt(3)])
    assert found.low[0] == pytest.approx(max(0.0, 50 - found.critical * found.se[0]))
    assert found.low[1] < 50 < found.high[1]
    free = stats.bands(points)
    assert free.low[1] == free.high[1] == 50
    assert free.low[2] < 0


def correlated(rng: np.random.Generator, items: int, languages: int, rho: float) -> np.ndarray:
    """Scores of 0, 50 and 100 around par, latent correlation rho within an item."""
    latent = np.sqrt(rho) * rng.normal(size=(items, 1)) + np.sqrt(1 - rho) * rng.normal(size=(items, languages))
    return np.digitize(latent, [-0.385, 0.385]) * 50.0


def test_coverage_of_averages_over_languages() -> None:
    """617 prompts, 11 languages, rho .3: clustered intervals cover 95 %, independent ones about 71 %."""
    rng = np.random.default_rng(11)
    clustered, naive, runs = 0, 0, 300
    for _ in range(runs):
        table = correlated(rng, 617, 11, 0.3)
        found = stats.clustered(table)
        clustered += found.low <= 50 <= found.high
        flat = stats.mean(table.ravel())
        naive += flat.low <= 50 <= flat.high
    assert 0.91 <= clustered / runs <= 0.98
    assert naive / runs < 0.85


def test_bands_cover_jointly() -> None:
    """11 points at 95 %: max-t bands hold jointly, pointwise ones do not (about 60 %)."""
    rng = np.random.default_rng(12)
    joint, pointwise, runs = 0, 0, 150
    for run in range(runs):
        found = stats.bands(correlated(rng, 100, 11, 0.1), resamples=400, seed=run)
        joint += bool((np.abs(found.mean - 50) <= found.critical * found.se).all())
        pointwise += bool((np.abs(found.mean - 50) <= 1.984 * found.se).all())
    assert joint / runs >= 0.89
    assert pointwise / runs < 0.8


@pytest.mark.parametrize(
    ("tie_rate", "r", "effect"),
    [(0.0, None, 5.64), (0.2, None, 5.04), (0.3, None, 4.72), (0.5, None, 3.99), (0.7, None, 3.09), (0.3, 0.25, 5.78)],
)
def test_minimum_detectable_effect_of_617_prompts(tie_rate: float, r: float | None, effect: float) -> None:
    assert stats.minimum_detectable(617, tie_rate, r) == pytest.approx(effect, abs=0.005)


def test_minimum_detectable_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="tie_rate"):
        stats.minimum_detectable(10, 1.5)


@given(floats, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_swapping_negates_and_order_is_nothing(values: list[float], random) -> None:  # type: ignore[no-untyped-def]
    first, second = np.array(values), np.array(random.sample(values, len(values)))
    forth, back = stats.paired(first, second), stats.paired(second, first)
    assert (forth.mean, forth.se, forth.low, forth.p) == pytest.approx((-back.mean, back.se, -back.high, back.p))
    order = np.array(random.sample(range(len(values)), len(values)))
    again = stats.paired(first[order], second[order])
    assert (again.mean, again.se) == pytest.approx((forth.mean, forth.se))
    table = np.stack([first, second], axis=1)
    assert stats.clustered(table[order][:, ::-1]).se == pytest.approx(stats.clustered(table).se, abs=1e-9)


@given(floats)
@settings(max_examples=40, deadline=None)
def test_intervals_hold_their_mean_inside_the_scale(values: list[float]) -> None:
    measures: tuple[Callable[..., stats.Estimate], ...] = (stats.mean, lambda v: stats.clustered(v[:, None]))
    for measure in measures:
        found = measure(np.array(values))
        assert 0 <= found.low <= found.mean <= found.high <= 100
        assert found.high > found.low
