"""Stage: judges. A judge sees ordered pairs of answers and says of each which is better; nothing is scored here.

`make` chooses the judge from a closed registry; `protocol` says what a judge is, `store` keeps what judges said. People
(`human`) and panels are no such judges: a page of questions is not asked pair by pair, and a panel asks nobody. Adding a
judge is adding a module, a member of JudgeKind, and a row of KINDS.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pinch.config import JudgeConfig
from pinch.errors import UserError, did_you_mean
from pinch.judges.protocol import Judge
from pinch.judges.reference import ReferenceJudge

Lexicon = Mapping[str, frozenset[str]]
Maker = Callable[[JudgeConfig, Path, Sequence[str], Lexicon], Judge]


def _reference(config: JudgeConfig, workspace: Path, languages: Sequence[str], lexicon: Lexicon) -> Judge:
    return ReferenceJudge(config, languages, lexicon)


def _api(config: JudgeConfig, workspace: Path, languages: Sequence[str], lexicon: Lexicon) -> Judge:
    from pinch.judges.api.judge import ApiJudge

    return ApiJudge(config, workspace)


def _hf(config: JudgeConfig, workspace: Path, languages: Sequence[str], lexicon: Lexicon) -> Judge:
    from pinch.judges.hf.judge import HfJudge

    return HfJudge(config)


KINDS: dict[str, Maker] = {"reference": _reference, "api": _api, "hf": _hf}
"""Judges by the name of their JudgeKind."""


def make(config: JudgeConfig, workspace: Path, languages: Sequence[str], lexicon: Lexicon) -> Judge:
    """The judge that the settings name. `languages` are those an answer may be in, `lexicon` the corpus' word lists;
    `workspace` is where it may keep what it finds out about its server.

    Raises UserError for a kind that is not registered, naming the nearest."""
    kind = str(getattr(config.kind, "value", config.kind))
    if kind not in KINDS:
        raise UserError(f"judge.kind={kind} judges no single pairs{did_you_mean(kind, KINDS)}")
    return KINDS[kind](config, workspace, languages, lexicon)
