"""What tests of judge=api share: settings for a double, pairs whose verdicts can be computed, judging them all."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from judge_double import Double, verdict
from pinch.config import JudgeConfig, JudgeKind
from pinch.judges.api.judge import ApiJudge
from pinch.judges.api.waiting import Patience
from pinch.judges.protocol import Judgement
from pinch.records import Outcome, Pair

KEY = "sk-a-key-nobody-may-see-0123456789"
OUTCOMES = {"A": Outcome.first, "B": Outcome.second, "tie": Outcome.tie}


def api_judge(double: Double, workspace: Path | None = None, scale: float = 0.02, **changes: Any) -> ApiJudge:
    """A judge that asks the double and does not wait long."""
    settings = {"kind": JudgeKind.api, "model": "double", "base_url": double.url, "timeout": 5.0} | changes
    return ApiJudge(JudgeConfig(**settings), workspace, Patience(scale=scale))


def some_pairs(number: int, language: str = "en") -> list[Pair]:
    """Pairs of different answers, each in both orders, one after the other."""
    contents = [(f"p{n}", f"An answer, number {n}.", f"Another answer, {n}!") for n in range((number + 1) // 2)]
    both = [(name, *order) for name, one, two in contents for order in ((one, two), (two, one))]
    return [Pair(name, language, f"Instruction {name}", first, second) for name, first, second in both][:number]


def expected(pair: Pair, bias: float = 0.0) -> Outcome:
    """What the double says of a pair."""
    return OUTCOMES[verdict(pair.first, pair.second, bias)]


def judged(judge: ApiJudge, pairs: Iterable[Pair]) -> list[Judgement]:
    """Everything the judge says of the pairs."""
    given = [judgement for batch in judge.judge(pairs) for judgement in batch]
    assert judge.stop() == []
    return given
