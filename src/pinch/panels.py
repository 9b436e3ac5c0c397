"""Pure: several judges, or several annotators, of one item: one result made of theirs."""

from collections.abc import Sequence

from pinch import scoring
from pinch.scoring import IDENTICAL, INVALID, SELF, UNJUDGED, Result

VALID = ("win", "tie", "loss")


def combine(results: Sequence[Result], how: str = "majority") -> Result:
    """One result of the members' results on one item.

    At least half of the members must have a win, tie or loss; else the item is invalid, or unjudged while some were not
    asked yet. majority: what more than half of those members say, else a tie. mean: the mean of their scores, a win
    above and a loss below 0.5. Raises ValueError for another `how` and for no members."""
    if how not in ("majority", "mean"):
        raise ValueError(f"how={how!r} is neither majority nor mean")
    if not results:
        raise ValueError("a panel without members has no result")
    for fact in (SELF, IDENTICAL):
        if fact in results:
            return fact
    scores = [result.score for result in results if result.outcome in VALID and result.score is not None]
    if 2 * len(scores) < len(results):
        return UNJUDGED if UNJUDGED in results else INVALID
    if how == "majority":
        wins, losses = (sum(result.outcome == name for result in results) for name in ("win", "loss"))
        score = 1.0 if 2 * wins > len(scores) else 0.0 if 2 * losses > len(scores) else 0.5
    else:
        score = sum(scores) / len(scores)
    return scoring.scored(score)
