"""Stage: what a judge is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pinch.records import Outcome, Pair


@dataclass(frozen=True)
class Judgement:
    """What was said of a pair, the judge's text as it came, and how it came about.

    `facts` are plain JSON values. `boundary` is the token that the question was asked with, `error` says why there was no
    reply at all: such a pair is asked again next time, unlike one with a reply that holds no verdict."""

    pair: Pair
    outcome: Outcome
    raw: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class Judge(Protocol):
    """Compares ordered pairs of answers.

    `name` is what verdicts and scores are kept under. `identity` is everything that could change a verdict, as plain
    JSON values: the judge's id, its settings, the hash of its prompt template, its decoding. `sees_reference` says
    whether it is shown the prompt's reference answer, which then is part of what a verdict is about."""

    name: str
    identity: dict[str, Any]
    sees_reference: bool

    def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
        """One judgement per pair, in any order, in batches as they come in; a batch is on disk before the next one is
        asked for. A verdict that cannot be had is `Outcome.invalid`. Ends early when a budget is used up."""
        ...

    def stop(self) -> Sequence[Judgement]:
        """Called when judging ends, by itself, an error or an interrupt: ask nothing more, wait for what is under way, and
        give what `judge` has not given yet."""
        ...

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        """What a stored reply says by today's rules. Raises UserError for a judge whose verdicts are not read from text."""
        ...

    def tokens(self, pairs: Iterable[Pair]) -> tuple[int, int]:
        """Estimate of what judging the pairs takes in tokens: of the questions, of the replies; (0, 0) if none."""
        ...

    def notes(self) -> list[str]:
        """Sentences for the user when judging is over: what was spent, which budget is used up."""
        ...
