"""Shapes: how many cells are run at once, what is only planned, and what an experiment consists of."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pinch.config.checks import positive
from pinch.errors import UserError
from pinch.languages import SIX, SLAVIC, TWELVE, canonical, canonical_all

OnFailure = Enum("OnFailure", {"continue": "continue", "stop": "stop"})  # a keyword cannot be written as a member


class PlanShow(Enum):
    off = "off"
    table = "table"
    json = "json"
    files = "files"


class TunedOn(Enum):
    alone = "alone"
    together = "together"
    adding = "adding"
    pairs = "pairs"
    nothing = "nothing"
    named = "named"


@dataclass
class SweepConfig:
    """How the cells of a sweep are run; no part of any cell's identity."""

    slots: int | None = None
    """Cells at work at once; none: as many as the GPUs (trainer.devices each) or the cores (model.threads each) allow; one
    on a CPU when the model asks for all threads."""
    on_failure: OnFailure = OnFailure["continue"]
    """continue: a failed cell does not stop the others; stop: after the first failure no more cells are started."""
    max_failures: int | None = None
    """After so many failed cells no more are started; none: no limit."""
    retries: int = 0
    """How often a cell that died (killed, out of memory, timed out, a broken disk) is started again in a new process.
    Failures that would come again, such as a loss that is no number, are not retried."""
    timeout: float | None = None
    """Minutes after which a cell is stopped and counted as failed; none: no limit."""
    stagger: float = 0.5
    """Seconds between the starts of worker processes, so that they do not all read the model at once."""

    def __post_init__(self) -> None:
        positive("sweep.slots", self.slots)
        positive("sweep.max_failures", self.max_failures)
        for name in ("retries", "stagger"):
            if getattr(self, name) < 0:
                raise UserError(f"sweep.{name}={getattr(self, name)} must not be negative")
        if self.timeout is not None and self.timeout <= 0:
            raise UserError(f"sweep.timeout={self.timeout} must be above 0; it is in minutes")


@dataclass
class PlanConfig:
    """What would run, without running it; no part of any cell's identity."""

    name: str = "off"
    """Short name of the group."""
    show: PlanShow = PlanShow.off
    """table: print the plan and stop (plan=true says the same); json: the plan for programs; files: write a cell file for
    every cell that is not done and print their paths, for a scheduler whose jobs are `python -m pinch.worker FILE`; off:
    run."""
    add_references: bool = False
    """Add the cells that scores are measured against (monolingual models, the untuned model) where they are missing, to
    the plan and to the sweep."""


@dataclass
class PartConfig:
    """Some cells of an experiment: sets of tuning languages, each tuned at every point."""

    tuned_on: TunedOn = TunedOn.named
    """alone: each of the languages on its own; together: experiment.base and all of them; adding: experiment.base and
    1, 2, ... of them, in several orders; pairs: random pairs of them; nothing: the untuned model; named: what the points
    name."""
    languages: list[str] = field(default_factory=list)
    """The languages that tuned_on speaks of; not needed for nothing and named."""
    evaluation: list[str] = field(default_factory=list)
    """As languages.evaluation, which has the last word on the command line; empty: experiment.languages, and for named what
    the points say."""
    points: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    """Settings by name, of each point as on a command line; a list of values is an axis. A point is the product of its axes,
    the part all of its points."""


@dataclass
class ExperimentConfig:
    """An experiment: parts, whose cells are trained together. What else is on the command line holds for all of them, and a
    sweep there (seed=0,1,2) multiplies with them."""

    name: str = "mine"
    """Short name; the W&B group unless tracking.group is set."""
    base: str = "en"
    """The language that the rest of the budget stays in, and that others are added to."""
    languages: list[str] = field(default_factory=lambda: list(TWELVE))
    """The study's languages: tuned on alone, together and in pairs, and evaluated in."""
    few: list[str] = field(default_factory=lambda: list(SIX))
    """Those of them, the base included, that are tuned on where others stay unseen: together, and added one by one."""
    relatives: list[str] = field(default_factory=lambda: list(SLAVIC))
    """Closely related languages, each tuned on alone and evaluated in all of them."""
    fractions: list[float] = field(default_factory=lambda: [n / 10 for n in range(11)])
    """Shares of the budget that are spread over the tuning languages, 0..1."""
    pinches: list[int] = field(default_factory=lambda: [40])
    """Numbers of examples spread over the tuning languages other than the base, beside the fractions."""
    permutations: int = 3
    """Orders in which languages are added: as `few` lists them, then shuffles. Fewer than 6 can never give p < 0.05."""
    pairs: int | None = None
    """Random pairs, from one random split of the languages into pairs after the other; none: those of one split."""
    seed: int = 0
    """Of the splits into pairs."""
    parts: dict[str, PartConfig] = field(default_factory=dict)
    """What is trained, by name. Several experiments at once, +experiment=[NAME,NAME], are all of their parts."""

    def __post_init__(self) -> None:
        self.base = canonical(str(self.base), "experiment.base")
        for name in ("languages", "few", "relatives"):
            setattr(self, name, canonical_all(getattr(self, name), f"experiment.{name}"))
        for name, part in self.parts.items():
            part.languages = canonical_all(part.languages, f"experiment.parts.{name}.languages")
            part.evaluation = canonical_all(part.evaluation, f"experiment.parts.{name}.evaluation")
        for fraction in self.fractions:
            if not 0 <= fraction <= 1:
                raise UserError(f"experiment.fractions: {fraction} is outside 0..1; 0.01 means one per cent")
        for number in self.pinches:
            positive("experiment.pinches", number)
        positive("experiment.permutations", self.permutations)
        positive("experiment.pairs", self.pairs)
