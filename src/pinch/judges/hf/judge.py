"""Stage: judge=hf: a local Hugging Face model, by the probabilities of the two labels as its next token.

Nothing is sampled and nothing is parsed: of the model's distribution after the question, the probability of A is that of
all tokens that are the letter A with or without white space around it, likewise B; the larger one wins, and only equal ones
tie. What else the model would have said shows in `mass`, the probability of both labels together.

The question goes through the model's chat template where it has one, else it is plain text that ends right before the
label. Special tokens that answers spell out (<|im_end|>) are broken up, so that no answer can end its turn.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinch import models
from pinch.config import JudgeConfig, ModelConfig, ModelSource, TrainerConfig
from pinch.errors import UserError
from pinch.judges.protocol import Judgement
from pinch.judges.questions import Question, load
from pinch.records import Outcome, Pair

if TYPE_CHECKING:
    from pinch.judges.hf.labels import LabelReader

WINDOW = 32
"""Batches that are sorted by length together: enough to save padding, few enough to be on disk soon."""

BYTES_PER_TOKEN = 4
LOW_MASS = 0.5
"""Mean probability of both labels together below which the model hardly does what it is asked for."""


class HfJudge:
    """Reads the verdict off the model's next-token probabilities. The model is loaded when the first pair is judged."""

    def __init__(self, config: JudgeConfig) -> None:
        self.name = config.label()
        self.sees_reference = False
        self._config = config
        self._template = load(config.prompt or "labels")
        self._model = ModelConfig(
            source=ModelSource.hf, path=config.model, revision=config.revision, dtype=config.dtype
        )
        with _of_judge():
            fingerprint = models.fingerprint(self._model)
        self.identity: dict[str, Any] = {
            "judge": "hf",
            "version": 1,
            "model": fingerprint,
            "prompt": self._template.digest,
            "dtype": config.dtype.value,
        }
        self._reader: LabelReader | None = None
        self._mass = 0.0
        self._judged = 0
        self._too_long = 0

    def judge(self, pairs: Sequence[Pair]) -> Iterator[Sequence[Judgement]]:
        """In batches of questions of about the same length."""
        if not pairs:
            return
        if self._reader is None:
            self._reader = self._load()
        size = self._config.batch_size
        for start in range(0, len(pairs), WINDOW * size):
            yield from self._window(self._reader, pairs[start : start + WINDOW * size])

    def stop(self) -> Sequence[Judgement]:
        return ()

    def read(self, raw: str, facts: Mapping[str, Any]) -> Outcome:
        share = facts.get("p_first")
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            return Outcome.invalid
        return Outcome.tie if share == 0.5 else Outcome.first if share > 0.5 else Outcome.second

    def tokens(self, pairs: Iterable[Pair]) -> tuple[int, int]:
        count, size = 0, 0
        frame = len(f"{self._template.system}{self._template.user}".encode())
        for pair in pairs:
            count += 1
            size += frame + len(f"{pair.instruction}{pair.first}{pair.second}".encode(errors="replace"))
        return size // BYTES_PER_TOKEN, count

    def notes(self) -> list[str]:
        lines = []
        mean = self._mass / max(self._judged, 1)
        if self._judged and mean < LOW_MASS:
            lines.append(
                f"{self.name} gave A and B together a probability of {mean:.3f} in mean: it hardly does what it is asked "
                "for; take another model or prompt"
            )
        if self._too_long:
            lines.append(f"{self.name}: {self._too_long} questions are longer than its context and count as invalid")
        return lines

    def _load(self) -> "LabelReader":
        from pinch.judges.hf.labels import LabelReader

        with _of_judge():
            location = models.locate(self._model, Path(), None)
            target = models.device(TrainerConfig(accelerator=self._config.accelerator))
            loaded = models.load(self._model, location, target)
        return LabelReader(loaded, location)

    def _window(self, reader: "LabelReader", pairs: Sequence[Pair]) -> Iterator[list[Judgement]]:
        questions = [self._template.ask(pair) for pair in pairs]
        rows = reader.prompts(questions)
        order = sorted(range(len(rows)), key=lambda number: (-len(rows[number]), number))
        long = [number for number in order if len(rows[number]) > reader.context]
        if long:
            self._too_long += len(long)
            yield [_too_long(pairs[n], questions[n], len(rows[n]), reader.context) for n in long]
        order = order[len(long) :]
        size = self._config.batch_size if reader.pads else 1
        for start in range(0, len(order), size):
            part = order[start : start + size]
            made = self._probabilities(reader, [rows[number] for number in part])
            yield [self._judgement(pairs[n], questions[n], *both) for n, both in zip(part, made, strict=True)]

    def _probabilities(self, reader: "LabelReader", rows: list[list[int]]) -> list[tuple[float, float]]:
        import torch

        try:
            return reader.probabilities(rows)
        except torch.OutOfMemoryError:
            size = self._config.batch_size
            raise UserError(f"{self.name}: out of GPU memory; lower judge.batch_size={size}") from None

    def _judgement(self, pair: Pair, question: Question, share: float, mass: float) -> Judgement:
        if share != share:
            return Judgement(
                pair, Outcome.invalid, "its probabilities are not numbers", {"boundary": question.boundary}
            )
        self._mass, self._judged = self._mass + mass, self._judged + 1
        facts = {"boundary": question.boundary, "p_first": share, "mass": mass}
        raw = f"A {share * mass:.4g} B {(1 - share) * mass:.4g}"
        return Judgement(pair, self.read(raw, facts), raw, facts)


def _too_long(pair: Pair, question: Question, length: int, context: int) -> Judgement:
    raw = f"not asked: the question has {length} tokens, the model holds {context}"
    return Judgement(pair, Outcome.invalid, raw, {"boundary": question.boundary})


@contextmanager
def _of_judge() -> Iterator[None]:
    """Messages about models and devices name the judge's settings."""
    try:
        yield
    except UserError as error:
        text = str(error)
        for setting, own in (
            ("model.path", "model"),
            ("model.revision", "revision"),
            ("trainer.accelerator", "accelerator"),
        ):
            text = text.replace(setting, f"judge.{own}")
        raise UserError(text) from error
