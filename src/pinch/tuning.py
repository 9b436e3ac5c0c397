"""Stage tune: teaches one cell its examples.

In: a loaded model, the cell's examples in the order of the mixture, the tuning settings. Out: <folder>/adapter (PEFT's own
format) or <folder>/model (a Hugging Face folder), and <folder>/train_log.csv. The loaded model is left as it was.
"""

import copy
import csv
import hashlib
import io
import logging
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pytorch_lightning.loggers import Logger
from transformers import PreTrainedModel

from pinch import adapters, packing
from pinch.attention import Unsupported
from pinch.config import Method, Packing, TuningConfig
from pinch.errors import CellError
from pinch.fitting import fit
from pinch.learner import Course, Learner, StepLog, checksums
from pinch.models import Loaded, random_state
from pinch.ranks import ALONE, Ranks, local
from pinch.records import Example, write_text

if TYPE_CHECKING:
    from peft import PeftModel

log = logging.getLogger(__name__)


@dataclass
class TuningFacts:
    """What a tuning did. `supervised_tokens` per language over all steps; `truncated`: examples that lost the end of
    their response; `final_loss`: mean of the last ten steps, nats per unit; `packing`: packed or padded; `peak_memory`:
    bytes, of the GPU's tensors or of the whole process on a CPU, where several ranks were at work of the largest; `trained`:
    number of trained parameters."""

    steps: int
    supervised_tokens: dict[str, int]
    truncated: int
    seconds: float
    final_loss: float
    packing: str
    peak_memory: int
    trained: int


def schedule(n_examples: int, batch_size: int, epochs: int, max_steps: int | None, seed: int) -> list[list[int]]:
    """The example numbers of every optimizer step, a pure function of its arguments.

    Every epoch is a permutation of its own; its last, incomplete batch is kept. Stops after `max_steps` steps."""
    steps: list[list[int]] = []
    for epoch in range(epochs):
        order = list(range(n_examples))
        random.Random(f"pinch order {seed} {epoch}").shuffle(order)
        steps.extend(order[start : start + batch_size] for start in range(0, n_examples, batch_size))
    return steps[:max_steps]


def tune(
    loaded: Loaded,
    examples: Sequence[Example],
    settings: TuningConfig,
    *,
    lr: float,
    seed: int,
    folder: Path,
    logger: Logger | None,
    progress: Callable[[int, int], None],
    ranks: Ranks = ALONE,
) -> TuningFacts:
    """Train, then write adapter or model and the log into `folder`. `progress` is told (step, steps).

    Raises CellError when there is nothing to learn from in some step, when a loss is not a number, when the first step
    changed nothing, or (tuning.packing=packed) when the model cannot be packed; UserError for a target without modules.
    The same arguments give the same weights; global random state and environment stay untouched. Of several ranks, all
    call this with the same arguments, and the first writes and tells."""
    started = time.perf_counter()
    course = _course(loaded, examples, settings, seed)
    device, mixed = ranks.spread_on or loaded.device, _mixed(loaded, settings)
    with random_state(seed, device):
        model = _trainable(loaded, settings)
        net = adapters.network(model)
        attention = net.config._attn_implementation
        _refuse_different(net, course, ranks)
        ranks.spread(net)
        packed = _packed(net, course, settings, mixed, ranks)
        net.train()
        learner = Learner(net, course, settings, lr, packed, loaded.pad, progress, ranks)
        if ranks.world > 1:  # dropout must not fall alike on the examples of different ranks
            torch.manual_seed(random.Random(f"pinch rank {ranks.rank} {seed}").getrandbits(63))
        try:
            with ranks.watch():
                fit(learner, device, mixed, folder, logger)
        except torch.OutOfMemoryError:
            raise CellError("out of GPU memory; set tuning.micro_batch, e.g. tuning.micro_batch=4") from None
        finally:
            if ranks.first:
                _write_log(folder / "train_log.csv", course.log)
        net.set_attn_implementation(attention)
        _refuse_broken(net, ranks)
        whole = ranks.whole(model)
        if ranks.first:
            adapters.save(model, loaded, folder, whole)
    return _facts(course, packed, net, device, ranks, time.perf_counter() - started)


def _course(loaded: Loaded, examples: Sequence[Example], settings: TuningConfig, seed: int) -> Course:
    rows = loaded.frame.encode_all(examples, min(settings.max_length, loaded.context))
    steps = schedule(len(rows), settings.batch_size, settings.epochs, settings.max_steps, seed)
    if not steps:
        raise CellError("there are no examples to tune on; use tuning=none for the untuned model")
    for number, step in enumerate(steps, start=1):
        if not any(rows[index].supervised for index in step):
            names = ", ".join(examples[index].id for index in step[:5])
            raise CellError(
                f"step {number} has no supervised token (examples {names}): the prompts fill tuning.max_length="
                f"{settings.max_length}; raise it"
            )
    return Course(examples, rows, steps)


def _refuse_different(net: PreTrainedModel, course: Course, ranks: Ranks) -> None:
    """Ranks that begin with different weights, or have different examples in mind, would together train neither model."""
    if ranks.world == 1:
        return
    start = hashlib.sha256(repr(course.steps).encode())
    for row in course.rows:
        start.update(repr(row).encode())
    start.update(repr(checksums(net.parameters())).encode())
    if len(set(ranks.gather(start.hexdigest()))) > 1:
        raise CellError("the processes of the cell do not start from the same weights and examples; run it again")


# --- the network ---------------------------------------------------------------------------------------------------


def _trainable(loaded: Loaded, settings: TuningConfig) -> "PreTrainedModel | PeftModel":
    """A network of this cell's own: frozen weights are shared with the loaded model, trained ones are new."""
    model: PreTrainedModel | PeftModel
    if settings.method is Method.lora:
        model = adapters.add_lora(loaded.model, settings)
    elif settings.method is Method.full:
        copied = cast(torch.nn.Module, copy.deepcopy(loaded.model))
        model = cast(PreTrainedModel, copied.float().requires_grad_(True))  # small updates vanish in bf16 weights
    else:
        raise ValueError(f"nothing to tune with method {settings.method.value}")
    if settings.gradient_checkpointing:
        net: Any = adapters.network(model)
        # renamed during transformers 5; the old name warns
        enable = getattr(net, "activation_checkpointing_enable", None) or net.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        net.enable_input_require_grads()  # the frozen embeddings would cut the first layers' adapters off
    return model


def _mixed(loaded: Loaded, settings: TuningConfig) -> bool:
    """Whether to compute in bf16 with weights in fp32: full tuning of a model that is kept in bf16."""
    return settings.method is Method.full and loaded.model.dtype is torch.bfloat16


def _packed(net: PreTrainedModel, course: Course, settings: TuningConfig, mixed: bool, ranks: Ranks) -> bool:
    """Whether to pack; where packing is wanted the self-test decides."""
    if settings.packing is Packing.padded:
        return False
    order = sorted((row for row in course.rows if row.supervised), key=lambda row: len(row.ids))
    rows = [order[index * (len(order) - 1) // 3] for index in range(4)]
    try:
        packing.check(net.train(False), rows, mixed)
    except Unsupported as error:
        if settings.packing is Packing.packed:
            raise CellError(f"tuning.packing=packed: {error}; use tuning.packing=auto or padded") from None
        if ranks.first:
            log.warning("training with padded batches, which is slower: %s", error)
        return False
    finally:
        ranks.settle(net)
    return True


# --- results -------------------------------------------------------------------------------------------------------


def _refuse_broken(net: PreTrainedModel, ranks: Ranks) -> None:
    trained = (local(weight) for weight in net.parameters() if weight.requires_grad)
    if not all(ranks.gather(all(bool(torch.isfinite(weight).all()) for weight in trained))):
        raise CellError("the last steps made weights that are not numbers; try a smaller tuning.lr")


def _write_log(path: Path, entries: list[StepLog]) -> None:
    codes = sorted({code for entry in entries for code in entry.supervised})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["step", "loss", "lr", "supervised_tokens", "tokens_per_second"]
    writer.writerow([*columns, *(f"supervised_{code}" for code in codes)])
    for entry in entries:
        counts = [entry.supervised.get(code, 0) for code in codes]
        speed = f"{entry.tokens / entry.seconds:.1f}"
        writer.writerow([entry.step, f"{entry.loss:.6g}", f"{entry.lr:.6g}", sum(counts), speed, *counts])
    write_text(path, text.getvalue())


def _facts(
    course: Course, packed: bool, net: PreTrainedModel, device: torch.device, ranks: Ranks, seconds: float
) -> TuningFacts:
    supervised: Counter[str] = Counter()
    for entry in course.log:
        supervised.update(entry.supervised)
    last = [entry.loss for entry in course.log[-10:]]
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return TuningFacts(
        steps=len(course.log),
        supervised_tokens=dict(sorted(supervised.items())),
        truncated=sum(row.truncated for row in course.rows),
        seconds=round(seconds, 3),
        final_loss=sum(last) / len(last),
        packing="packed" if packed else "padded",
        peak_memory=max(ranks.gather(memory)),
        trained=sum(weight.numel() for weight in net.parameters() if weight.requires_grad),
    )
