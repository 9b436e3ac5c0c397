"""Parts about tuning: a cell through `pinch.tuning.tune`, in several ways, and the same by a plain Lightning module.

Every arm sees the same examples in the same steps. Speed counts tokens of examples, never padding; the time of a step ends
when the device has finished it. Memory is what torch's tensors took at most, the model's weights included.
"""

import csv
import statistics
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from gpu import shapes
from gpu.circumstances import autocast, compiled, tf32
from gpu.naive import naive
from gpu.setting import Setting, out_of_memory
from pinch import course, tuning
from pinch.config import Method, Packing, Schedule, TuningConfig
from pinch.models import Loaded
from pinch.records import Example

Row = dict[str, Any]
Tell = Callable[[Row], None]
LR = 1e-4
SEED = 0


@dataclass(frozen=True)
class Case:
    """What all arms of a part have in common."""

    loaded: Loaded
    examples: list[Example]
    settings: TuningConfig
    setting: Setting

    @property
    def lengths(self) -> list[int]:
        """Tokens that each step computes; the last one of an example predicts nothing."""
        rows = self.loaded.frame.encode_all(self.examples, self.settings.max_length)
        return [sum(len(rows[number].ids) - 1 for number in step) for step in self.order]

    @property
    def order(self) -> list[list[int]]:
        return course.schedule(len(self.examples), self.settings.batch_size, 1, None, SEED)


@dataclass(frozen=True)
class Taken:
    """Seconds of every step but the first, the loss of every step, and the number of trained weights."""

    seconds: list[float]
    losses: list[float]
    trained: int


Arm = Callable[[Case], Taken]


def case(name: str, setting: Setting, longest: int, steps: int | None = None, **changes: Any) -> Case:
    """A model and enough examples for the steps that are measured."""
    loaded = shapes.load(name, setting.device, changes.pop("dtype", setting.dtype), setting.small)
    count = setting.batch * (steps or 1 + setting.warm + setting.steps)
    settings = TuningConfig(
        epochs=1, batch_size=setting.batch, warmup=1, schedule=Schedule.constant, max_length=longest
    )
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
    longest = setting.longest(longest)
    return Case(loaded, shapes.examples(count, vocabulary, longest), replace(settings, **changes), setting)


# --- ways to tune --------------------------------------------------------------------------------------------------


def product(around: Callable[[], AbstractContextManager[object]] = nullcontext, **changes: Any) -> Arm:
    """Pinch's own `tune`, with other settings or under some circumstances."""

    def run(case: Case) -> Taken:
        ends: list[float] = []
        with tempfile.TemporaryDirectory() as folder, around():
            facts = tuning.tune(
                case.loaded,
                case.examples,
                replace(case.settings, **changes),
                lr=LR,
                seed=SEED,
                folder=Path(folder),
                logger=None,
                progress=lambda step, steps: ends.append(case.setting.now()),
            )
            with (Path(folder) / "train_log.csv").open(newline="") as file:
                losses = [float(row["loss"]) for row in csv.DictReader(file)]
        return Taken([end - start for start, end in pairwise(ends)], losses, facts.trained)

    return run


def plain(case: Case) -> Taken:
    """Lightning as it is usually written: padded batches, logits everywhere, the loss of transformers."""
    rows = case.loaded.frame.encode_all(case.examples, case.settings.max_length)
    ends, losses, trained = naive(case.loaded, rows, case.order, case.settings, LR, SEED, case.setting.now)
    return Taken([end - start for start, end in pairwise(ends)], losses, trained)


def measured(case: Case, name: str, arm: Arm, micro: int | None = None, basis: int = 4) -> Row:
    """Run an arm with the largest micro-batch that fits, from `micro` down. `basis`: operations per token and weight."""
    size = micro or case.settings.batch_size
    while True:
        case.setting.forget()
        try:
            taken = arm(replace(case, settings=replace(case.settings, micro_batch=size)))
            return {"arm": name, "micro_batch": size, **_numbers(case, taken, basis)}
        except Exception as error:
            if size == 1 or not out_of_memory(error):
                return {"arm": name, "error": f"{type(error).__name__}: {str(error).split(chr(10))[0]}"}
        size //= 2


def _numbers(case: Case, taken: Taken, basis: int) -> Row:
    warm, net, setting = case.setting.warm, case.loaded.model, case.setting
    lengths = case.lengths[1:]
    speed = statistics.median(
        tokens / seconds for tokens, seconds in list(zip(lengths, taken.seconds, strict=True))[warm:]
    )
    known = setting.peak and net.dtype is setting.dtype  # the peak is that of bf16
    peak, weights = setting.peak_memory(), sum(weight.nbytes for weight in net.parameters())
    fixed = weights + 16 * taken.trained  # of a trained weight: itself, its gradient, and Adam's two means, in fp32
    return {
        "tokens/s": speed,
        "mfu": basis * shapes.parameters(net) * speed / setting.peak if known else None,
        "peak": peak,
        "weights": weights,
        "trained": taken.trained,
        "rest": None if peak is None else peak - fixed,
        "seconds": taken.seconds,
        "losses": taken.losses,
    }


# --- parts ---------------------------------------------------------------------------------------------------------

PACKED = product(packing=Packing.packed)
PADDED = product(packing=Packing.padded)


def compared(case: Case, tell: Tell, arms: dict[str, Arm], micro: int | None = None, basis: int = 4) -> None:
    """Tell of all arms, and how far their losses are from the first one's. `micro`: the micro-batch of all arms but those
    that save memory by checkpointing."""
    first: list[float] = []
    for name, arm in arms.items():
        row = measured(case, name, arm, None if "checkpointing" in name else micro, basis)
        first = first or row.get("losses", [])
        if first and "losses" in row:
            row["apart"] = max(abs(a - b) for a, b in zip(first, row["losses"], strict=True))
        tell(row)


def lora(name: str, setting: Setting, tell: Tell) -> None:
    """LoRA of rank 16 on all linear layers, in several ways."""
    large = name.endswith("8b")
    arms = {
        "packed": PACKED,
        "padded": PADDED,
        "plain Lightning": plain,
        "packed, checkpointing": product(packing=Packing.packed, gradient_checkpointing=True),
    }
    if setting.on_gpu:
        arms |= {
            "packed, adapters in bf16": product(autocast, packing=Packing.packed),
            "packed, adapters in TF32": product(tf32, packing=Packing.packed),
        }
    compared(case(name, setting, 512), tell, arms, setting.batch // 4 if large else None)


def long(name: str, setting: Setting, tell: Tell) -> None:
    """The same with examples of up to 1,024 tokens."""
    compared(case(name, setting, 1024), tell, {"packed": PACKED, "padded": PADDED})


def full(name: str, setting: Setting, tell: Tell) -> None:
    """Full fine-tuning."""
    arms = {"packed": PACKED, "padded": PADDED}
    compared(case(name, setting, 512, method=Method.full), tell, arms, basis=6)


def losses(name: str, setting: Setting, tell: Tell) -> None:
    """Twenty steps, packed and padded, in every precision."""
    for dtype in {setting.dtype: None, torch.float32: None}:
        kind = str(dtype).removeprefix("torch.")
        arms = {f"packed, {kind}": PACKED, f"padded, {kind}": PADDED}
        steps = 3 if setting.small else 20
        compared(case(name, setting, 512, steps, dtype=dtype), tell, arms)
        setting.forget()


def compiling(name: str, setting: Setting, tell: Tell) -> None:
    """What torch.compile of the layers brings."""
    backend = "eager" if setting.small else "inductor"
    arms = {"packed": PACKED, "packed, compiled": product(lambda: compiled(backend), packing=Packing.packed)}
    compared(case(name, replace(setting, warm=2 * setting.warm), 512), tell, arms)
