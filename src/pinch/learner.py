"""Stage tune, inner part: the LightningModule, which is loss, optimizer and schedule of one cell.

One "batch" of Lightning is one optimizer step: a list of example numbers. The module takes its rank's share of it and cuts
that into micro-batches itself, so the loss is normalised over the whole step, and the gradient depends on neither the number
of ranks nor the micro-batch.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from transformers import PreTrainedModel

from pinch import packing
from pinch.config import LossUnit, Schedule, TuningConfig
from pinch.course import Course, StepLog, listed
from pinch.errors import CellError
from pinch.frames import Encoded
from pinch.losses import cross_entropies
from pinch.ranks import ALONE, Ranks, local


@dataclass(frozen=True)
class Passes:
    """How a rank's share of a step goes through the network: `size` examples at a time, `packed` into one row, or below each
    other, filled up with the token `filler`."""

    size: int
    packed: bool
    filler: int

    def batch(self, rows: Sequence[Encoded], weights: Sequence[float], device: torch.device) -> packing.Batch:
        if self.packed:
            return packing.pack(rows, weights, device)
        return packing.pad(rows, weights, self.filler, device)


def token_losses(net: PreTrainedModel, batch: packing.Batch) -> Tensor:
    """(supervised tokens,) cross entropies in nats."""
    return cross_entropies(packing.supervised_logits(net, batch), batch.targets)


def loss_weights(counts: Sequence[int], unit: LossUnit) -> list[float]:
    """Weight of each supervised token of each sequence, so that the weighted sum of token losses is the step's loss.

    `counts`: supervised tokens per sequence of the step. token: all tokens alike; example: all sequences that have any
    supervised token alike, the mean over their tokens each."""
    if unit is LossUnit.token:
        return [1 / max(sum(counts), 1)] * len(counts)
    taught = sum(count > 0 for count in counts)
    return [1 / (taught * count) if count else 0.0 for count in counts]


def checksums(weights: Iterable[Tensor]) -> list[int]:
    """One number per tensor that changes when any of its bits does (but for rare coincidences); of what this rank holds."""
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    held = [local(weight.detach()) for weight in weights]
    return [int(weight.view(integers[weight.element_size()]).sum(dtype=torch.int64)) for weight in held]


def shares(sizes: Sequence[int], world: int) -> list[list[int]]:
    """Which sequences of a step each rank takes, as places in `sizes` (tokens of each sequence), in their order.

    The longest first, the ranks in turn, back and forth: numbers differ by one at most, tokens by little."""
    order = sorted(range(len(sizes)), key=lambda place: (-sizes[place], place))
    turns = [*range(world), *reversed(range(world))]
    taken: list[list[int]] = [[] for _ in range(world)]
    for turn, place in enumerate(order):
        taken[turns[turn % len(turns)]].append(place)
    return [sorted(share) for share in taken]


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
    """Trains the parameters of `net` that require a gradient, together with the other ranks. Raises CellError, on every
    rank, for a loss that is no number and for a first step that changed no weight."""

    def __init__(
        self,
        net: PreTrainedModel,
        course: Course,
        settings: TuningConfig,
        lr: float,
        passes: Passes,
        progress: Callable[[int, int], None],
        ranks: Ranks = ALONE,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        # Not a registered submodule: Lightning would move it to the CPU when it is done, and with it the frozen weights
        # that other cells share.
        self._net = (net,)
        self._trained = [weight for weight in net.parameters() if weight.requires_grad]
        self._course, self._settings, self._lr = course, settings, lr
        self._passes, self._progress, self._ranks = passes, progress, ranks

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
        before = checksums(self._trained) if batch_idx == 0 else None
        loss = self._backward(batch, batch_idx)
        if self._settings.clip:
            torch.nn.utils.clip_grad_norm_(self._trained, self._settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if before is not None and not any(self._ranks.gather(before != checksums(self._trained))):
            raise CellError("the first step changed no weight; raise tuning.lr, or check tuning.target")
        self._record(batch, batch_idx, loss, lr, time.perf_counter() - started)

    def _backward(self, batch: list[int], step: int) -> float:
        """Gradients of the whole step; gives its loss."""
        rows = self._course.rows
        weights = loss_weights([rows[number].supervised for number in batch], self._settings.loss_unit)
        total = torch.zeros((), device=self._net[0].device)
        broken = ""
        for part, share in self._micro_batches(batch, weights):
            micro = self._passes.batch([rows[number] for number in part], share, total.device)
            losses = token_losses(self._net[0], micro)
            loss = losses @ micro.weights
            broken = broken or self._broken(losses, micro, part)
            self.manual_backward(loss)  # even of a broken loss: other ranks wait for it
            total += loss.detach()
        loss_of_step, number_broken = self._ranks.sum(float(total), float(bool(broken)))
        if number_broken:
            words = next(filter(None, self._ranks.gather(broken)))
            raise CellError(f"step {step + 1}: the loss is no number in {words}; lower tuning.lr")
        if self._ranks.spread_on is None:  # else they are summed as they are made
            self._ranks.sum_gradients(self._trained)
        return loss_of_step

    def _micro_batches(self, batch: list[int], weights: list[float]) -> Iterator[tuple[list[int], list[float]]]:
        """Numbers and weights of the sequences of this rank's forward passes; those without a supervised token teach
        nothing. Where the ranks need each other's weights, all have the same number of passes, if need be with one sequence
        of weight 0."""
        rows = self._course.rows
        taught = [pair for pair in zip(batch, weights, strict=True) if rows[pair[0]].supervised > 0]
        all_shares = shares([len(rows[number].ids) for number, _ in taught], self._ranks.world)
        mine = [taught[place] for place in all_shares[self._ranks.rank]]
        size = self._passes.size
        passes = range(0, max(map(len, all_shares)) if self._ranks.spread_on else len(mine), size)
        for start in passes:
            part = mine[start : start + size] or [(taught[0][0], 0.0)]
            part.sort(key=lambda pair: len(rows[pair[0]].ids))  # attention is per group of like lengths
            yield [number for number, _ in part], [weight for _, weight in part]

    def _broken(self, losses: Tensor, batch: packing.Batch, part: list[int]) -> str:
        """The examples whose loss is no number, in words; empty when there are none."""
        bad = ~torch.isfinite(losses.detach())
        if not bool(bad.any()):
            return ""
        numbers = sorted({part[batch.owners[index]] for index in bad.nonzero().flatten().tolist()})
        return f"examples {listed([self._course.examples[number] for number in numbers])}"

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
