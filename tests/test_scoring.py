"""Tie rule, language gate, grid and symmetry of scores; exact match and chrF against values counted by hand."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinch import scoring
from pinch.records import Outcome
from pinch.scoring import IDENTICAL, INVALID, SELF, Result, chrf, exact, gate, resolve

FIRST, SECOND, TIE, BAD = Outcome.first, Outcome.second, Outcome.tie, Outcome.invalid
SWAPPED = {FIRST: SECOND, SECOND: FIRST, TIE: TIE, BAD: BAD}
outcomes = st.sampled_from(list(Outcome))


@pytest.mark.parametrize(
    ("forth", "back", "strict", "average"),
    [
        (FIRST, SECOND, ("win", 1.0), ("win", 1.0)),
        (SECOND, FIRST, ("loss", 0.0), ("loss", 0.0)),
        (FIRST, FIRST, ("tie", 0.5), ("tie", 0.5)),
        (SECOND, SECOND, ("tie", 0.5), ("tie", 0.5)),
        (TIE, TIE, ("tie", 0.5), ("tie", 0.5)),
        (FIRST, TIE, ("tie", 0.5), ("win", 0.75)),
        (TIE, SECOND, ("tie", 0.5), ("win", 0.75)),
        (SECOND, TIE, ("tie", 0.5), ("loss", 0.25)),
        (TIE, FIRST, ("tie", 0.5), ("loss", 0.25)),
        (BAD, SECOND, ("invalid", None), ("invalid", None)),
        (FIRST, BAD, ("invalid", None), ("invalid", None)),
    ],
)
def test_both_orders(forth: Outcome, back: Outcome, strict: object, average: object) -> None:
    assert resolve(forth, back, "strict") == Result(*strict)  # type: ignore[misc]
    assert resolve(forth, back, "average") == Result(*average)  # type: ignore[misc]


def test_unknown_tie_rule() -> None:
    with pytest.raises(ValueError, match="median"):
        resolve(FIRST, SECOND, "median")


@pytest.mark.parametrize("rule", ["strict", "average"])
@given(verdicts=st.lists(st.tuples(outcomes, outcomes), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_score_of_a_against_b_and_of_b_against_a_are_100(rule: str, verdicts: list[tuple[Outcome, Outcome]]) -> None:
    """The same two verdicts seen from the other side: the orders change places, the verdicts stay."""
    one = [resolve(forth, back, rule).score for forth, back in verdicts]
    other = [resolve(back, forth, rule).score for forth, back in verdicts]
    assert [value is None for value in one] == [value is None for value in other]
    valid = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    if valid:
        assert 100 * sum(a for a, _ in valid) / len(valid) + 100 * sum(b for _, b in valid) / len(
            valid
        ) == pytest.approx(100)


@given(st.lists(st.tuples(outcomes, outcomes), min_size=1, max_size=30))
def test_strict_scores_lie_on_their_grid(verdicts: list[tuple[Outcome, Outcome]]) -> None:
    scores = [s for f, b in verdicts if (s := resolve(f, b).score) is not None]
    if scores:
        steps = 100 * sum(scores) / len(scores) / (100 / (2 * len(scores)))
        assert steps == pytest.approx(round(steps))


def test_swapping_the_names_of_the_answers_swaps_the_result() -> None:
    for forth, back in product(SWAPPED, SWAPPED):
        here, there = resolve(forth, back), resolve(SWAPPED[forth], SWAPPED[back])
        assert {here.outcome, there.outcome} in ({"win", "loss"}, {"tie"}, {"invalid"})


def test_forced_choice_is_the_mean_of_both_orders() -> None:
    for forth, back in product((FIRST, SECOND), repeat=2):
        assert resolve(forth, back, "strict") == resolve(forth, back, "average")


WIN, LOSS, TIED = Result("win", 1.0), Result("loss", 0.0), Result("tie", 0.5)


@pytest.mark.parametrize(
    ("result", "right", "reference_right", "gated"),
    [
        (WIN, True, True, WIN),
        (WIN, False, True, LOSS),
        (LOSS, True, False, WIN),
        (WIN, False, False, TIED),
        (WIN, None, True, WIN),
        (TIED, None, None, TIED),
        (TIED, False, None, LOSS),
        (INVALID, False, True, LOSS),
        (INVALID, True, True, INVALID),
        (IDENTICAL, False, False, IDENTICAL),
        (SELF, False, False, SELF),
    ],
)
def test_language_gate(result: Result, right: bool | None, reference_right: bool | None, gated: Result) -> None:
    assert gate(result, right, reference_right) == gated


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("leden", "leden", True),
        ("\n leden\u00a0", "leden", True),
        ("cafe\u0301", "caf\u00e9", True),  # canonically the same text
        ("Leden", "leden", False),
        ("leden.", "leden", False),
        ("a  b", "a b", False),
        ("", "leden", False),
    ],
)
def test_exact(answer: str, reference: str, same: bool) -> None:
    assert exact(answer, reference) is same


def chrf_by_hand(answer: str, reference: str) -> float:
    """Mean precision and recall over the orders both texts are long enough for, then F with beta 2."""
    one, other = answer.replace(" ", ""), reference.replace(" ", "")
    precision, recall, orders = 0.0, 0.0, 0
    for n in range(1, 7):
        grams = [Counter(text[k : k + n] for k in range(len(text) - n + 1)) for text in (one, other)]
        if all(grams):
            hits = (grams[0] & grams[1]).total()
            precision, recall, orders = (
                precision + hits / grams[0].total(),
                recall + hits / grams[1].total(),
                orders + 1,
            )
    if not orders or precision + recall == 0:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return 100 * 5 * precision * recall / (4 * precision + recall)


@pytest.mark.parametrize(
    ("answer", "reference"),
    [("leden", "leden"), ("ledna", "leden"), ("", "leden"), ("一月", "二月"), ("a b c", "abc"), ("जनवरी", "फ़रवरी")],
)
def test_chrf(answer: str, reference: str) -> None:
    assert chrf(answer, reference) == pytest.approx(chrf_by_hand(answer, reference))


def test_chrf_counted_by_hand() -> None:
    """abc / abd: 2 of 3 single characters, 1 of 2 pairs, 0 of 1 triples; precision = recall = 7/18."""
    assert chrf("abc", "abd") == pytest.approx(100 * 7 / 18)


@pytest.mark.parametrize(
    ("valid", "invalid", "told"), [(0, 0, False), (0, 5, False), (5, 5, True), (4, 5, False), (1, 0, True)]
)
def test_a_score_needs_half_of_its_items(valid: int, invalid: int, told: bool) -> None:
    assert scoring.enough(valid, invalid) is told
