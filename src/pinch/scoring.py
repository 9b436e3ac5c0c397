"""Pure: from verdicts of one pair of answers to its outcome and score, and agreement of an answer with a reference.

The tie rule, the language gate and the two agreement measures live here and nowhere else; judges only say what they saw
of one ordered pair. Scores of items are 1 (win), 0.5 (tie), 0 (loss); n items put a cell's score, in per cent, on the
grid of 100 / (2 n).
"""

import functools
import unicodedata
from dataclasses import dataclass
from typing import Any

from pinch.records import Outcome

VALUE = {Outcome.first: 1.0, Outcome.tie: 0.5, Outcome.second: 0.0}
"""Of an outcome for the answer that was shown first."""


@dataclass(frozen=True)
class Result:
    """`outcome` is win, tie, loss, invalid, unjudged, identical or self, as seen by the cell; `score` is None when it is
    invalid or unjudged."""

    outcome: str
    score: float | None


INVALID = Result("invalid", None)
UNJUDGED = Result("unjudged", None)
IDENTICAL = Result("identical", 0.5)
SELF = Result("self", 0.5)


def enough(valid: int, invalid: int, unjudged: int = 0) -> bool:
    """Whether a score says anything: every item was judged, and at least half of them have a valid outcome. Where a judge
    had no verdict on answers that differ, those that happen to be identical would otherwise pass for a score of 50."""
    return valid > 0 and valid >= invalid and not unjudged


def resolve(first_order: Outcome, second_order: Outcome, tie_rule: str = "strict") -> Result:
    """Result for the cell from both orders: first (cell, reference), then (reference, cell).

    strict: win or loss when both orders name the same answer, else a tie, be it that they name different ones or that a
    judge itself said tie (arXiv 2401.01854). average: the mean of both orders, so that one win and one said tie give
    0.75. Nothing is made of an invalid verdict: the item is invalid and is counted beside n. Raises ValueError for another
    rule."""
    if tie_rule not in ("strict", "average"):
        raise ValueError(f"tie_rule={tie_rule!r} is neither strict nor average")
    if Outcome.invalid in (first_order, second_order):
        return INVALID
    mean = (VALUE[first_order] + 1 - VALUE[second_order]) / 2
    return scored(mean if tie_rule == "average" or mean in (0.0, 1.0) else 0.5)


def scored(score: float | None) -> Result:
    """The result that a score stands for; invalid without one."""
    if score is None:
        return INVALID
    return Result("win" if score > 0.5 else "loss" if score < 0.5 else "tie", score)


def gate(result: Result, right: bool | None, reference_right: bool | None) -> Result:
    """Language gate: an answer in the wrong language loses, both wrong is a tie (Chen et al., arXiv 2309.08958).

    `right` says whether the cell's answer is in the language asked, `reference_right` the same of the reference's; None
    is undecided and leaves the judge its say. Identical answers, the diagonal and what is not judged yet stay as they
    are."""
    if result in (IDENTICAL, SELF, UNJUDGED) or (right is not False and reference_right is not False):
        return result
    if right is False and reference_right is False:
        return Result("tie", 0.5)
    return Result("loss", 0.0) if right is False else Result("win", 1.0)


def plain(text: str) -> str:
    """What agreement is measured on: canonically composed (NFC), without white space at the ends. Nothing else is
    changed: case, punctuation and inner white space count."""
    return unicodedata.normalize("NFC", text).strip()


def exact(answer: str, reference: str) -> bool:
    """Do answer and reference agree, up to what `plain` takes away?"""
    return plain(answer) == plain(reference)


@functools.lru_cache(maxsize=50_000)
def chrf(answer: str, reference: str) -> float:
    """Sentence chrF of sacrebleu on `plain` texts: character n-grams up to 6, beta 2, no smoothing; 0..100.

    Source: Popovic 2015, aclanthology.org/W15-3049. The last 50,000 distinct pairs of texts are kept."""
    return float(_metric().sentence_score(plain(answer), [plain(reference)]).score)


@functools.cache
def _metric() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(char_order=6, word_order=0, beta=2)
