"""Stage tune, inner part: the LightningModule, which is loss, optimizer and schedule of one cell.

One "batch" of Lightning is one optimizer step: a list of example numbers. The module cuts it into micro-batches itself, so
the loss is normalised over the whole step and the gradient does not depend on the micro-batch.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from pinch import packing
from pinch.config import LossUnit, Schedule, TuningConfig
from pinch.errors import CellError
from pinch.frames import Encoded
from pinch.records import Example


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


def loss_weights(counts: Sequence[int], unit: LossUnit) -> list[float]:
    """Weight of each supervised token of each sequence, so that the weighted sum of token losses is the step's loss.

    `counts`: supervised tokens per sequence of the step. token: all tokens alike; example: all sequences that have any
    supervised token alike, the mean over their tokens each."""
    if unit is LossUnit.token:
        return [1 / max(sum(counts), 1)] * len(counts)
    taught = sum(count > 0 for count in counts)
    return [1 / (taught * count) if count else 0.0 for count in counts]


def rate_factor(step: int, total: int, warmup: int, schedule: Schedule) -> float:
    """Factor of the peak learning rate in step 0..total-1: a linear rise that reaches 1 in step `warmup` - 1, then a
    line or half a cosine that would reach 0 in step `total`, or a constant."""
    if step < warmup:
        return (step + 1) / warmup
    if schedule is Schedule.constant:
        return 1.0
    done = (step - warmup) / max(1, total - warmup)
    return 1 - done if schedule is Schedule.linear else (1 + math.cos(math.pi * done)) / 2


class Learner(LightningModule):
    """Trains the parameters of `net` that require a gradient. Raises CellError for a loss or gradient that is no number
    and for a first step that changed no weight."""

    def __init__(
        self,
        net: PreTrainedModel,
        course: Course,
        settings: TuningConfig,
        lr: float,
        packed: bool,
        filler: int,
        progress: Callable[[int, int], None],
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        # Not a registered submodule: Lightning would move it to the CPU when it is done, and with it the frozen weights
        # that other cells share.
        self._net = (net,)
        self._trained = [weight for weight in net.parameters() if weight.requires_grad]
        self._course, self._settings, self._lr = course, settings, lr
        self._packed, self._filler, self._progress = packed, filler, progress

    def configure_optimizers(self) -> tuple[list[torch.optim.Optimizer], list[torch.optim.lr_scheduler.LambdaLR]]:
        settings, total = self._settings, len(self._course.steps)
        groups = [  # norms and biases are not decayed
            {"params": [w for w in self._trained if w.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [w for w in self._trained if w.ndim <= 1], "weight_decay": 0.0},
        ]
        fused = all(weight.is_floating_point() and weight.device.type in ("cpu", "cuda") for weight in self._trained)
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=self._lr, fused=fused)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, total, settings.warmup, settings.schedule)
        )
        return [optimizer], [schedule]

    def train_dataloader(self) -> Course:
        return self._course

    def training_step(self, batch: list[int], batch_idx: int) -> None:
        started = time.perf_counter()
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        assert not isinstance(optimizer, list)
        assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR)
        lr = float(optimizer.param_groups[0]["lr"])
        before = self._checksums() if batch_idx == 0 else None
        loss = self._backward(batch, batch_idx)
        if self._settings.clip:
            torch.nn.utils.clip_grad_norm_(self._trained, self._settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if before is not None and before == self._checksums():
            raise CellError("the first step changed no weight; raise tuning.lr, or check tuning.target")
        self._record(batch, batch_idx, loss, lr, time.perf_counter() - started)

    def _backward(self, batch: list[int], step: int) -> float:
        """Gradients of the whole step; gives its loss."""
        rows = self._course.rows
        weights = loss_weights([rows[number].supervised for number in batch], self._settings.loss_unit)
        total = torch.zeros((), device=self._net[0].device)
        for part, share in self._micro_batches(batch, weights):
            micro = self._batch([rows[number] for number in part], share)
            logits = packing.supervised_logits(self._net[0], micro).float()
            losses = cross_entropy(logits, micro.targets, reduction="none")
            loss = losses @ micro.weights
            self._refuse_nan(losses, micro, part, step)
            self.manual_backward(loss)
            total += loss.detach()
        return float(total)

    def _micro_batches(self, batch: list[int], weights: list[float]) -> Iterator[tuple[list[int], list[float]]]:
        """Numbers and weights of the sequences of each forward pass; those without a supervised token teach nothing."""
        size = self._settings.micro_batch or len(batch)
        taught = [pair for pair in zip(batch, weights, strict=True) if self._course.rows[pair[0]].supervised > 0]
        for start in range(0, len(taught), size):
            part = taught[start : start + size]
            part.sort(key=lambda pair: len(self._course.rows[pair[0]].ids))  # attention is per group of like lengths
            yield [number for number, _ in part], [weight for _, weight in part]

    def _batch(self, rows: list[Encoded], weights: list[float]) -> packing.Batch:
        device = self._net[0].device
        if self._packed:
            return packing.pack(rows, weights, device)
        return packing.pad(rows, weights, self._filler, device)

    def _refuse_nan(self, losses: Tensor, batch: packing.Batch, part: list[int], step: int) -> None:
        bad = ~torch.isfinite(losses.detach())
        if not bool(bad.any()):
            return
        owners = sorted({batch.owners[index] for index in bad.nonzero().flatten().tolist()})
        names = [self._course.examples[part[owner]] for owner in owners[:5]]
        listed = ", ".join(f"{example.id} ({example.language})" for example in names)
        more = f" and {len(owners) - 5} more" if len(owners) > 5 else ""
        raise CellError(f"step {step + 1}: the loss is no number in examples {listed}{more}; lower tuning.lr")

    def _checksums(self) -> list[int]:
        """One number per trained tensor that changes when any of its bits does (but for rare coincidences)."""
        integers = {4: torch.int32, 2: torch.int16, 8: torch.int64}
        return [int(w.detach().view(integers[w.element_size()]).sum(dtype=torch.int64)) for w in self._trained]

    def _record(self, batch: list[int], step: int, loss: float, lr: float, seconds: float) -> None:
        course = self._course
        supervised: Counter[str] = Counter()
        for number in batch:
            supervised[course.examples[number].language] += course.rows[number].supervised
        tokens = sum(len(course.rows[number].ids) - 1 for number in batch)
        entry = StepLog(step + 1, loss, lr, tokens, dict(supervised), seconds)
        course.log.append(entry)
        total = len(course.steps)
        every = -(-total // 200)  # some 200 points make a curve
        if self.logger is not None and (entry.step % every == 0 or entry.step == total):
            self.logger.log_metrics(_metrics(entry), step=entry.step)
        self._progress(entry.step, total)


def _metrics(entry: StepLog) -> dict[str, float]:
    metrics = {
        "train/loss": entry.loss,
        "train/lr": entry.lr,
        "train/supervised_tokens": float(sum(entry.supervised.values())),
        "train/tokens_per_second": entry.tokens / entry.seconds,
    }
    return metrics | {f"train/supervised/{code}": float(count) for code, count in sorted(entry.supervised.items())}
