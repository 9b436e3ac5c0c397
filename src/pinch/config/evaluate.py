"""Shapes: the settings of evaluate.py."""

from dataclasses import dataclass, field
from enum import Enum

from pinch.config.checks import check_confidence, check_workspace
from pinch.config.judge import JudgeConfig, Stop
from pinch.config.sweep import PlanConfig, PlanShow
from pinch.config.tracking import TrackingConfig
from pinch.errors import UserError
from pinch.languages import canonical_all


class TieRule(Enum):
    strict = "strict"
    average = "average"


class LanguageGate(Enum):
    off = "off"
    loss = "loss"


class Exchange(Enum):
    none = "none"
    alpaca_eval = "alpaca_eval"


@dataclass
class ScoreConfig:
    references: list[str] = field(default_factory=lambda: ["monolingual", "base"])
    """What cells are compared with. monolingual: the cell tuned on the full budget of the evaluated language;
    base: the untuned model; or the id of any cell (its last part is enough). A reference that does not exist is said and
    left out."""
    tie_rule: TieRule = TieRule.strict
    """strict: a tie unless both orders agree; average: the mean of the two orders."""
    language_gate: LanguageGate = LanguageGate.off
    """loss: an answer in the wrong language loses, whatever the judge says; off: the judge alone decides."""
    confidence: float = 0.95
    """Of every interval."""

    def __post_init__(self) -> None:
        if not self.references:
            raise UserError("score.references is empty; name monolingual, base or the id of a cell")
        check_confidence("score.confidence", self.confidence)


@dataclass
class OnlyConfig:
    """Which part of a workspace is judged and scored; none: all of it."""

    cells: list[str] | None = None
    """Cells whose id contains one of these words. References are found among all cells."""
    languages: list[str] | None = None
    """Languages of the answers."""

    def __post_init__(self) -> None:
        if self.languages is not None:
            self.languages = canonical_all(self.languages, "only.languages")
        for name in ("cells", "languages"):
            if getattr(self, name) == []:
                raise UserError(f"only.{name} is empty; name some, or leave it out for all")


@dataclass
class EvaluateConfig:
    """Settings of evaluate.py: judge and score every cell of a workspace that has answers."""

    judge: JudgeConfig = field(default_factory=JudgeConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    """table, json: what judging would take (plan=true); nothing is judged."""
    only: OnlyConfig = field(default_factory=OnlyConfig)
    reparse: bool = False
    """Read the stored replies again by today's rules, without any call, and show what changed."""
    check: bool = False
    """Put the judge through the injection set and its sanity questions instead of judging cells."""
    export: Exchange = Exchange.none
    """alpaca_eval: write the answers and their references as model_outputs.json files instead of judging."""
    annotations: str | None = None
    """An annotations.json of AlpacaEval, to be scored here under judge.name instead of judging."""
    workspace: str = "study"
    """Folder under `root` whose cells are judged."""
    root: str = "multirun"
    """Where workspaces lie."""

    def __post_init__(self) -> None:
        check_workspace(self.workspace)
        if self.judge.stop is Stop.sequential and self.score.language_gate is not LanguageGate.off:
            raise UserError("judge.stop=sequential goes by verdicts alone; leave out score.language_gate")
        if self.judge.stop is Stop.sequential and self.annotations is not None:
            raise UserError("judge.stop=sequential asks a judge, annotations ask nobody; leave out one of the two")
        if self.plan.show is PlanShow.files or self.plan.add_references:
            raise UserError("plan=files and plan.add_references are of train.py; here are plan=true and plan=json")
