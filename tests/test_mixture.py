"""Mixtures: the paper's counts as known answers (arXiv 2401.01854, section 4), then properties."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinch import mixture
from pinch.errors import UserError
from pinch.languages import SIX, TWELVE

IDS = [f"c-{number}" for number in range(4640)]
FIVE = tuple(code for code in SIX if code != "en")


def counts(asked: int, tuning: tuple[str, ...] = TWELVE, **options: object) -> Counter[str]:
    plan = mixture.plan(IDS, "en", tuning, budget=4640, asked=asked, **options)  # type: ignore[arg-type]
    return Counter(plan.languages.values())


def sizes(counter: Counter[str], *without: str) -> Counter[int]:
    return Counter(number for code, number in counter.items() if code not in without)


def test_forty_over_the_eleven_others() -> None:
    got = counts(40)
    assert got["en"] == 4600
    assert sizes(got, "en") == {4: 7, 3: 4}


def test_forty_over_the_five_others() -> None:
    assert sizes(counts(40, SIX), "en") == {8: 5}


def test_ten_per_cent_is_shared_by_all_twelve() -> None:
    got = counts(464)
    assert got["en"] in (4176 + 38, 4176 + 39)
    got["en"] -= 4176
    assert sizes(got) == {39: 8, 38: 4}


def test_hundred_per_cent_over_twelve() -> None:
    assert sizes(counts(4640)) == {387: 8, 386: 4}


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, {4640: 1}), (2, {2320: 2}), (3, {1547: 2, 1546: 1}), (4, {1160: 4}), (5, {928: 5}), (6, {774: 2, 773: 4})],
)
def test_even_split_over_languages(number: int, expected: dict[int, int]) -> None:
    tuning = mixture.add_languages("en", SIX, number, 0)
    asked = 4640 if number > 1 else 0
    plan = mixture.plan(IDS, "en", tuning, budget=4640, asked=asked)
    assert sizes(Counter(plan.languages.values())) == expected


def test_multilingual_count_rounds_half_up_and_prefers_the_explicit_count() -> None:
    assert mixture.multilingual_count(4640, 0.01, None) == 46
    assert mixture.multilingual_count(50, 0.01, None) == 1
    assert mixture.multilingual_count(4640, None, 40) == 40
    assert mixture.multilingual_count(4640, None, None) == 4640


def test_one_language_is_the_same_plan_for_every_fraction() -> None:
    plans = [mixture.plan(IDS, "en", ["en"], budget=100, asked=asked).languages for asked in (0, 1, 50, 100)]
    assert all(plan == plans[0] for plan in plans)


def test_fraction_zero_of_four_languages_is_monolingual() -> None:
    four = mixture.add_languages("en", SIX, 4, 0)
    assert mixture.plan(IDS, "en", four, budget=100, asked=0) == mixture.plan(IDS, "en", ["en"], budget=100, asked=0)


def test_permutations_change_the_order_and_only_the_order() -> None:
    orders = [tuple(mixture.add_languages("en", SIX, None, number)) for number in range(6)]
    assert orders[0] == SIX
    assert all(sorted(order) == sorted(SIX) and order[0] == "en" for order in orders)
    assert len(set(orders)) > 3


def test_weights_follow_the_given_shares() -> None:
    weights = {"en": 6.0, "ar": 3.0, "fi": 1.0}
    plan = mixture.plan(
        IDS, "en", ["en", "ar", "fi"], budget=1000, asked=1000, allocation="proportional", weights=weights
    )
    assert plan.counts() == {"en": 600, "ar": 300, "fi": 100}
    flat = mixture.plan(
        IDS, "en", ["en", "ar", "fi"], budget=900, asked=900, allocation="temperature", weights=weights, temperature=1e9
    )
    assert set(flat.counts().values()) == {300}


def test_not_nested_draws_anew() -> None:
    small, large = (
        mixture.plan(IDS, "en", SIX, budget=1000, asked=asked, spread="others", nested=False).languages
        for asked in (100, 500)
    )
    assert any(large[name] != code for name, code in small.items() if code != "en")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mixture.plan(IDS, "en", ["en"], budget=5000, asked=0), "larger than the corpus of 4640"),
        (lambda: mixture.multilingual_count(100, None, 101), "larger than the budget of 100"),
        (lambda: mixture.add_languages("en", SIX, 7, 0), "more than the pool holds"),
        (lambda: mixture.plan_counts(IDS, "en", {"fi": 101}, budget=100), "add up to 101"),
        (lambda: mixture.plan_counts(IDS, "en", {"fi": -1}, budget=100), "fi is negative"),
        (lambda: mixture.allocation_weights(["en"], "proportional", {}, 1.0), "needs a positive weight for en"),
    ],
)
def test_refusals(call: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        call()  # type: ignore[operator]


settings = st.tuples(
    st.integers(1, 300),
    st.floats(0, 1),
    st.integers(1, 12),
    st.sampled_from(["paper", "all", "others"]),
    st.integers(0, 5),
)


@given(settings)
def test_every_id_once_and_the_budget_kept(drawn: tuple[int, float, int, str, int]) -> None:
    budget, fraction, number, spread, seed = drawn
    tuning = mixture.add_languages("en", TWELVE, number, seed)
    asked = mixture.multilingual_count(budget, fraction, None)
    plan = mixture.plan(IDS, "en", tuning, budget=budget, asked=asked, spread=spread, seed=seed)
    assert set(plan.languages) == set(mixture.select(IDS, budget))
    assert set(plan.languages.values()) <= set(tuning)
    shared = Counter(plan.languages.values())
    shared["en"] -= budget - plan.asked
    per_language = [shared[code] for code in plan.spread_over]
    assert sum(per_language) == plan.asked
    assert not per_language or max(per_language) - min(per_language) <= 1


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 5), st.sampled_from(["all", "others"]))
def test_smaller_fractions_are_contained_in_larger_ones(one: int, two: int, seed: int, spread: str) -> None:
    small, large = sorted((one, two))
    plans = [
        mixture.plan(IDS, "en", SIX, budget=200, asked=asked, spread=spread, seed=seed).languages
        for asked in (small, large)
    ]
    moved = {name: code for name, code in plans[0].items() if code != "en"}
    assert all(plans[1][name] == code for name, code in moved.items())


@given(st.randoms(use_true_random=False), st.integers(0, 100))
def test_the_order_of_ids_and_languages_does_not_matter(shuffler: random.Random, asked: int) -> None:
    ids, tuning = IDS[:200], list(SIX)
    expected = mixture.plan(ids, "en", tuning, budget=100, asked=asked, seed=3)
    shuffler.shuffle(ids)
    shuffler.shuffle(tuning)
    assert mixture.plan(ids, "en", tuning, budget=100, asked=asked, seed=3) == expected


@given(st.dictionaries(st.sampled_from(FIVE), st.floats(0.01, 100), min_size=1), st.integers(0, 200))
def test_turns_are_house_monotone(weights: dict[str, float], total: int) -> None:
    order = sorted(weights)
    assert mixture.turns(weights, order, total) == mixture.turns(weights, order, 200)[:total]


@given(
    st.dictionaries(st.sampled_from(FIVE), st.sampled_from([0.5, 1.0, 1.5, 3.0, 7.0]), min_size=1), st.integers(0, 200)
)
def test_turns_follow_webster(weights: dict[str, float], total: int) -> None:
    """The method word for word: the next goes to the largest weight / (2 * got + 1), ties in the given order."""
    order = sorted(weights, reverse=True)
    got = dict.fromkeys(order, 0)
    expected = []
    for _ in range(total):
        best = max(order, key=lambda code: weights[code] / (2 * got[code] + 1))
        got[best] += 1
        expected.append(best)
    assert mixture.turns(weights, order, total) == expected


def test_a_plan_is_nobody_elses() -> None:
    """What is kept of an earlier plan is not what was handed out."""
    first = mixture.plan(IDS, "en", SIX, budget=100, asked=50, seed=1)
    before = dict(first.languages)
    first.languages.clear()
    assert mixture.plan(IDS, "en", SIX, budget=100, asked=50, seed=1).languages == before
    assert mixture.plan(IDS, "en", SIX, budget=100, asked=50, seed=2).languages != before


@given(st.integers(1, 400), st.integers(1, 400))
def test_larger_budgets_contain_smaller_ones(one: int, two: int) -> None:
    small, large = sorted((one, two))
    assert set(mixture.select(IDS, small)) <= set(mixture.select(IDS, large))
