"""Stage tune, inner part: what one cell is taught, in which order, and what is lost of it.

In: a loaded model, the cell's examples, the tuning settings. Out: a `Course`, a pure function of them and the seed.
"""

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pinch.config import TuningConfig
from pinch.errors import CellError
from pinch.frames import Encoded
from pinch.models import Loaded
from pinch.records import Example

log = logging.getLogger(__name__)


@dataclass
class StepLog:
    """What happened in one optimizer step: `loss` in nats per unit, `lr` as used, tokens that were computed
    (`tokens`) and supervised (`supervised`, per language), `seconds` of wall time."""

    step: int
    loss: float
    lr: float
    tokens: int
    supervised: dict[str, int]
    seconds: float


@dataclass
class Course:
    """What one cell is taught: the examples, their token rows, and the example numbers of every step.

    It is the loader that Lightning iterates over: Lightning would take a list of lists for many loaders, and torch's
    DataLoader would draw from the global random state."""

    examples: Sequence[Example]
    rows: Sequence[Encoded]
    steps: list[list[int]]
    log: list[StepLog] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.steps)

    def cut(self) -> list[Example]:
        """Examples that lost the end of their response, but not all of it."""
        pairs = zip(self.examples, self.rows, strict=True)
        return [example for example, row in pairs if row.truncated and row.supervised > 0]

    def silent(self) -> list[Example]:
        """Examples without a supervised token."""
        return [example for example, row in zip(self.examples, self.rows, strict=True) if row.supervised <= 0]


def schedule(n_examples: int, batch_size: int, epochs: int, max_steps: int | None, seed: int) -> list[list[int]]:
    """The example numbers of every optimizer step, a pure function of its arguments.

    Every epoch is a permutation of its own; its last, incomplete batch is kept. Stops after `max_steps` steps."""
    steps: list[list[int]] = []
    for epoch in range(epochs):
        order = list(range(n_examples))
        random.Random(f"pinch order {seed} {epoch}").shuffle(order)
        steps.extend(order[start : start + batch_size] for start in range(0, n_examples, batch_size))
    return steps[:max_steps]


def make_course(loaded: Loaded, examples: Sequence[Example], settings: TuningConfig, seed: int) -> Course:
    """Raises CellError when there are no examples, or nothing to learn from in some step."""
    rows = loaded.frame.encode_all(examples, min(settings.max_length, loaded.context), settings.loss_turns)
    steps = schedule(len(rows), settings.batch_size, settings.epochs, settings.max_steps, seed)
    if not steps:
        raise CellError("there are no examples to tune on; use tuning=none for the untuned model")
    for number, step in enumerate(steps, start=1):
        if not any(rows[index].supervised > 0 for index in step):
            raise CellError(
                f"step {number} has no supervised token (examples {listed([examples[index] for index in step])}): the "
                f"prompts alone fill {_limit(settings, loaded.context)}"
            )
    return Course(examples, rows, steps)


def tell_cut(course: Course, settings: TuningConfig, context: int) -> None:
    """Say which examples are too long, what is lost of them, and what to do about it."""
    cut, silent, limit = course.cut(), course.silent(), _limit(settings, context)
    if cut:
        log.warning(
            "%d of %d examples lose the end of their response, and with it the token that ends it (%s): they are longer "
            "than %s", len(cut), len(course.rows), listed(cut), limit,
        )  # fmt: skip
    if silent:
        log.warning(
            "%d of %d examples teach nothing (%s): their prompts alone fill %s",
            len(silent), len(course.rows), listed(silent), limit,
        )  # fmt: skip


def listed(examples: Sequence[Example]) -> str:
    """The first five, and how many more there are."""
    more = f" and {len(examples) - 5} more" if len(examples) > 5 else ""
    return ", ".join(map(named, examples[:5])) + more


def named(example: Example) -> str:
    return f"{example.id} ({example.language})"


def _limit(settings: TuningConfig, context: int) -> str:
    """What the length is limited by, and what to do about it."""
    if context < settings.max_length:
        return f"the model's context of {context} tokens; leave them out (data.max_chars) or use another model"
    return f"tuning.max_length={settings.max_length}; raise it, or leave them out (data.max_chars)"
