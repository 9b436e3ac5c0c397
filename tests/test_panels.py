"""Several judges of one item: the majority, the mean, and what is enough of them."""

import itertools

import pytest

from pinch.panels import combine
from pinch.scoring import IDENTICAL, INVALID, SELF, UNJUDGED, Result

WIN, TIE, LOSS = Result("win", 1.0), Result("tie", 0.5), Result("loss", 0.0)


@pytest.mark.parametrize(
    ("results", "majority", "mean"),
    [
        ([WIN, WIN, LOSS], WIN, Result("win", 2 / 3)),
        ([WIN, LOSS], TIE, TIE),
        ([WIN, WIN, TIE, TIE], TIE, Result("win", 0.75)),  # half is not more than half
        ([WIN, TIE, LOSS], TIE, TIE),
        ([TIE, TIE, LOSS], TIE, Result("loss", 1 / 3)),
        ([WIN], WIN, WIN),
        ([Result("win", 0.75), LOSS, LOSS], LOSS, Result("loss", 0.25)),
        ([WIN, INVALID], WIN, WIN),  # half of the members are enough
        ([WIN, LOSS, LOSS, INVALID], LOSS, Result("loss", 1 / 3)),
        ([WIN, INVALID, INVALID], INVALID, INVALID),
        ([INVALID, INVALID], INVALID, INVALID),
        ([WIN, INVALID, UNJUDGED], UNJUDGED, UNJUDGED),
        ([WIN, WIN, UNJUDGED], WIN, WIN),
        ([UNJUDGED], UNJUDGED, UNJUDGED),
        ([IDENTICAL, IDENTICAL], IDENTICAL, IDENTICAL),
        ([SELF, SELF], SELF, SELF),
    ],
)
def test_combine(results: list[Result], majority: Result, mean: Result) -> None:
    assert combine(results) == combine(results, "majority") == majority
    assert combine(results, "mean") == mean


@pytest.mark.parametrize("how", ["majority", "mean"])
def test_order_of_members_and_sides_do_not_matter(how: str) -> None:
    other = {WIN: LOSS, TIE: TIE, LOSS: WIN, INVALID: INVALID}
    for members in itertools.product(other, repeat=3):
        found = combine(members, how)
        assert combine(members[::-1], how) == found
        mirrored = combine([other[result] for result in members], how)
        assert {found.outcome, mirrored.outcome} in ({"win", "loss"}, {"tie"}, {"invalid"})
        if found.score is not None:
            assert mirrored.score == pytest.approx(1 - found.score)


def test_what_is_no_panel() -> None:
    with pytest.raises(ValueError, match="how='median' is neither majority nor mean"):
        combine([WIN], "median")
    with pytest.raises(ValueError, match="a panel without members has no result"):
        combine([])
