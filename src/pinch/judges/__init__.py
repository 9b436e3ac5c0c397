"""Stage: judges. A judge sees ordered pairs of answers and says of each which is better; nothing is scored here.

`make` chooses the judge from a closed registry; `protocol` says what a judge is, `store` keeps what judges said. Adding a
judge is adding a module, a member of JudgeKind, and a row of KINDS.
"""

from collections.abc import Callable, Mapping, Sequence

from pinch.config import JudgeConfig
from pinch.errors import UserError, did_you_mean
from pinch.judges.protocol import Judge
from pinch.judges.reference import ReferenceJudge

Maker = Callable[[JudgeConfig, Sequence[str], Mapping[str, frozenset[str]]], Judge]

KINDS: dict[str, Maker] = {"reference": ReferenceJudge}
"""Judges by the name of their JudgeKind."""


def make(config: JudgeConfig, languages: Sequence[str], lexicon: Mapping[str, frozenset[str]]) -> Judge:
    """The judge that the settings name. `languages` are those an answer may be in, `lexicon` the corpus' word lists.

    Raises UserError for a kind that is not registered, naming the nearest."""
    kind = str(getattr(config.kind, "value", config.kind))
    if kind not in KINDS:
        raise UserError(f"judge.kind={kind} is unknown{did_you_mean(kind, KINDS)}")
    return KINDS[kind](config, languages, lexicon)
