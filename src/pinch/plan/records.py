"""What a plan is made of: plain values that can be printed and written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PlannedCell:
    """A cell of the plan. `state`: done, half done (weights are there, answers are missing) or to do; `unanswered` are the
    evaluation languages whose answers are missing; `added`: nobody asked for it, it is a reference."""

    id: str
    state: str
    added: bool
    unanswered: tuple[str, ...]


@dataclass(frozen=True)
class Invalid:
    """A job that cannot be: its place among those asked (from 1), the words that set it apart, and why."""

    job: int
    words: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Mixture:
    """The realised mixture of some cells: `counts` are examples per language, `fraction` the share that was asked to be
    multilingual. Its cells differ in their seeds and in what is no part of a mixture."""

    languages: tuple[str, ...]
    fraction: float
    budget: int
    counts: dict[str, int]
    seeds: tuple[int, ...]
    cells: int


@dataclass(frozen=True)
class References:
    """What scores of the plan's cells are measured against. `missing`: kind of reference to the languages that some cell
    misses one in; `commands` make them; `added` are the ids of those that this plan makes; `never`: languages without
    examples in the corpus, which can have no monolingual reference."""

    missing: dict[str, tuple[str, ...]]
    commands: tuple[str, ...]
    added: tuple[str, ...]
    never: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """Answers that are missing: how many, in how many pairs of cell and language, by how many cells."""

    number: int
    languages: int
    cells: int


@dataclass(frozen=True)
class JudgeCalls:
    """Upper bound of the calls that scoring the plan's cells takes, in both orders, against all `kinds` of reference that
    are there or can be made; `judged` of them are scored already by `judge` (None: by nobody)."""

    most: int
    judged: int
    judge: str | None
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Duration:
    """Estimated seconds until the plan is done by `slots` cells at once; None: no past cell to estimate from. `of_family`
    cells are estimated from finished ones of the same family, `of_model` from others of the same model, `unknown` are
    not in it."""

    seconds: float | None
    slots: int
    of_family: int
    of_model: int
    unknown: int


@dataclass(frozen=True)
class Effect:
    """The smallest true effect, in points of score, that is found with probability `power` by a two-sided test with this
    `confidence`: of one cell in one language against par (50), and of its average over `unseen_languages` (None: there
    are none). `tie_rate` is the share of prompts assumed to end in a tie, `correlation` that of two languages' items;
    `source` says where both come from."""

    prompts: int
    one_language: float
    unseen_languages: int
    unseen_average: float | None
    tie_rate: float
    correlation: float
    power: float
    confidence: float
    source: str


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would do. `asked` are jobs; several may mean one cell."""

    asked: int
    cells: tuple[PlannedCell, ...]
    invalid: tuple[Invalid, ...]
    mixtures: tuple[Mixture, ...]
    references: References
    answers: Answers
    judge_calls: JudgeCalls
    duration: Duration
    effect: Effect | None
    notes: tuple[str, ...]

    @property
    def states(self) -> Mapping[str, int]:
        """Number of cells in each state."""
        return {state: sum(cell.state == state for cell in self.cells) for state in ("done", "half done", "to do")}

    @property
    def exit_code(self) -> int:
        """2 when a job is invalid."""
        return 2 if self.invalid else 0
