"""Stage: what a judge is."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from pinch.records import Outcome, Pair

Judgement = tuple[Pair, Outcome, str]
"""A pair, what was said of it, and the judge's text as it came."""


class Judge(Protocol):
    """Compares ordered pairs of answers.

    `name` is what verdicts and scores are kept under. `identity` is everything that could change a verdict, as plain
    JSON values: the judge's id, its settings, the hash of its prompt template, its decoding. `sees_reference` says
    whether it is shown the prompt's reference answer, which then is part of what a verdict is about."""

    name: str
    identity: dict[str, Any]
    sees_reference: bool

    def judge(self, pairs: Sequence[Pair]) -> Iterator[Judgement]:
        """One judgement per pair, in any order, as they come in; a verdict that cannot be had is `Outcome.invalid`."""
        ...
