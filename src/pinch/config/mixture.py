"""Shapes: which languages a cell is tuned on, and how many examples of each."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pinch.config.checks import per_language, positive
from pinch.errors import UserError
from pinch.languages import SIX, canonical, canonical_all


class Spread(Enum):
    paper = "paper"
    all = "all"
    others = "others"


class Allocation(Enum):
    uniform = "uniform"
    proportional = "proportional"
    temperature = "temperature"


@dataclass
class LanguagesConfig:
    name: str = "one"
    """Short name of the group."""
    base: str = "en"
    """The language that the rest of the budget stays in."""
    pool: list[str] = field(default_factory=lambda: list(SIX))
    """Where `count` takes its languages from, in this order (permutation 0)."""
    count: int | None = 1
    """Number of tuning languages: the base and the next of the pool; none: the whole pool."""
    permutation: int = 0
    """Order in which the pool's languages are added: 0 as listed, any other number a shuffle of its own."""
    tuning: list[str] | None = None
    """The tuning languages outright; pool and count are then not used."""
    evaluation: list[str] | None = None
    """Languages that answers are generated and compared in; none: the paper's twelve in the embedded world, every language
    that has prompts elsewhere. No part of a cell's identity."""

    def __post_init__(self) -> None:
        self.base = canonical(str(self.base), "languages.base")
        self.pool = canonical_all(self.pool, "languages.pool")
        if self.evaluation is not None:
            self.evaluation = canonical_all(self.evaluation, "languages.evaluation")
        if self.tuning is not None:
            self.tuning = canonical_all(self.tuning, "languages.tuning")
            if not self.tuning:
                raise UserError("languages.tuning is empty; name at least one language, e.g. languages.tuning=[en,es]")
        if self.evaluation == []:
            raise UserError("languages.evaluation is empty; name at least one language to evaluate in")
        positive("languages.count", self.count)
        if self.permutation < 0:
            raise UserError(f"languages.permutation={self.permutation} is negative; use 0, 1, 2, ...")


@dataclass
class MixtureConfig:
    name: str = "uniform"
    """Short name of the group."""
    budget: int | None = None
    """Training examples; none: data.budget, and where that is none too the whole corpus."""
    fraction: float | None = None
    """Share of the budget spread over the tuning languages, 0..1; the rest stays in the base language. none: 1."""
    count: int | None = None
    """The same as a number of examples, instead of fraction."""
    counts: Any = None
    """Number of examples per language, {language: number}, instead of fraction and count. (Any, as Hydra neither adds keys
    to a typed dict nor replaces one that is none; `per_language` checks it.)"""
    spread: Spread = Spread.paper
    """Who shares the multilingual part. all: every tuning language, the base included; others: all but the base;
    paper: others below 10 % of the budget, all from there on (arXiv 2401.01854, section 4)."""
    allocation: Allocation = Allocation.uniform
    """uniform: evenly; proportional: by `weights`; temperature: by weights ** (1 / temperature)."""
    weights: Any = None
    """{language: number}, relative sizes of the languages for proportional and temperature, e.g. their shares of the
    pre-training data."""
    temperature: float = 1.0
    """1: proportional; larger: closer to uniform."""
    nested: bool = True
    """True: the multilingual part of a smaller fraction is contained in that of a larger one; False: drawn anew."""
    seed: int | None = None
    """Seed of the draw; none: the cell's seed."""

    def __post_init__(self) -> None:
        given = [name for name in ("fraction", "count", "counts") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UserError(
                f"mixture.{given[0]} and mixture.{given[1]} are both set; set one, e.g. mixture.{given[1]}=null"
            )
        if self.fraction is not None and not 0 <= self.fraction <= 1:
            raise UserError(f"mixture.fraction={self.fraction} is outside 0..1; 0.01 means one per cent")
        if self.count is not None and self.count < 0:
            raise UserError(f"mixture.count={self.count} is negative; give 0 or more")
        positive("mixture.budget", self.budget)
        self.counts = per_language("mixture.counts", self.counts, int)
        self.weights = per_language("mixture.weights", self.weights, (int, float))
        if self.temperature <= 0:
            raise UserError(f"mixture.temperature={self.temperature} must be above 0; 1 is proportional")
