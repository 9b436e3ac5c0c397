"""Stage: the embedded judge: which answer agrees better with the prompt's reference answer?

Deterministic, offline, no model; the same in both orders by construction. An answer's grade is EXACT when it equals the
reference, else its chrF (0..100), and 0 when it is in another language than the one asked. The better grade wins when it
is better by more than `margin`. It knows nothing beyond the reference: of two bad answers it says tie, so a poor
reference model pulls scores towards 50, and exact match belongs beside its scores.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pinch import identify
from pinch.cells import digest
from pinch.config import JudgeConfig
from pinch.errors import UserError
from pinch.judges.protocol import Judgement
from pinch.records import Outcome, Pair
from pinch.scoring import chrf, exact

EXACT = 200.0
"""Grade of an answer that equals the reference: better than any chrF, by more than any sensible margin."""

NO_REFERENCE = "the prompt has no reference answer"

BATCH = 2000
"""Judgements handed over at a time."""


class ReferenceJudge:
    """Grades both answers of a pair by their agreement with the reference."""

    def __init__(
        self, config: JudgeConfig, languages: Sequence[str], lexicon: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        self.name = config.label()
        self.margin = config.margin
        self.sees_reference = True
        self.identity: dict[str, Any] = {
            "judge": "reference",
            "version": 1,
            "margin": config.margin,
            "grade": "exact, else chrF 6/0/2 in the language asked, else 0",
            "languages": sorted(languages),
            "lexicon": digest({code: sorted(words) for code, words in (lexicon or {}).items()}),
        }
        self._identifier = identify.shared(languages, lexicon)

    def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
        """In the order given; the raw text says both grades."""
        for start in range(0, len(pairs), BATCH):
            yield [self._judge(pair) for pair in pairs[start : start + BATCH]]

    def stop(self) -> Sequence[Judgement]:
        return ()

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        raise UserError("judge=reference computes its verdicts and has no replies to read again; leave reparse out")

    def tokens(self, pairs: Iterable[Pair]) -> tuple[int, int]:
        return 0, 0

    def notes(self) -> list[str]:
        return []

    def _judge(self, pair: Pair) -> Judgement:
        if pair.reference is None:
            return Judgement(pair, Outcome.invalid, NO_REFERENCE)
        first, said_first = self.grade(pair.first, pair.reference, pair.language)
        second, said_second = self.grade(pair.second, pair.reference, pair.language)
        return Judgement(pair, self._compare(first, second), f"{said_first} | {said_second}")

    def grade(self, answer: str, reference: str, language: str) -> tuple[float, str]:
        """Grade of one answer, and the grade in words.

        An answer whose language cannot be decided (very short, numbers, code) counts as what was asked: only an answer
        known to be in another language is graded 0."""
        if exact(answer, reference):
            return EXACT, "exact"
        if self._identifier.right(answer, language) is False:
            return 0.0, f"in {self._identifier.identify(answer, language)}"
        value = chrf(answer, reference)
        return value, f"chrF {value:.1f}"

    def _compare(self, first: float, second: float) -> Outcome:
        if abs(first - second) <= self.margin:
            return Outcome.tie
        return Outcome.first if first > second else Outcome.second
