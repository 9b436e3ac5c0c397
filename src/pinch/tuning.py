"""Stage tune: teaches one cell its examples.

In: a loaded model, the cell's examples in the order of the mixture, the tuning settings. Out: <folder>/adapter (PEFT's own
format) or <folder>/model (a Hugging Face folder), and <folder>/train_log.csv. The loaded model is left as it was.
"""

import copy
import csv
import gc
import hashlib
import io
import logging
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pytorch_lightning.loggers import Logger
from transformers import PreTrainedModel

from pinch import adapters, microbatch, packing, quantization
from pinch.attention import Unsupported
from pinch.config import Method, Packing, Quantization, TuningConfig
from pinch.config.tuning import check_quantized
from pinch.course import Course, StepLog, make_course, named, tell_cut
from pinch.errors import CellError
from pinch.fitting import fit
from pinch.learner import Learner, Passes, checksums
from pinch.microbatch import Sizes
from pinch.models import Loaded, random_state
from pinch.ranks import ALONE, Ranks, local
from pinch.records import Example, write_text

if TYPE_CHECKING:
    from peft import PeftModel

log = logging.getLogger(__name__)


@dataclass
class TuningFacts:
    """What a tuning did. `supervised_tokens` per language over all steps; `truncated`: examples that lost the end of their
    response, but not all of it; `silent`: examples without a supervised token; both with the names of the first 20;
    `final_loss`: mean of the last ten steps, nats per unit; `packing`: packed or padded; `micro_batch`: examples per forward
    pass; `peak_memory`: bytes, of the GPU's tensors or of the whole process on a CPU, where several ranks were at work of
    the largest; `trained`: number of trained parameters."""

    steps: int
    supervised_tokens: dict[str, int]
    truncated: int
    truncated_examples: list[str]
    silent: int
    silent_examples: list[str]
    seconds: float
    final_loss: float
    packing: str
    micro_batch: int
    peak_memory: int
    trained: int


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
    memory: Path | None = None,
) -> TuningFacts:
    """Train, then write adapter or model and the log into `folder`. `progress` is told (step, steps), again from the start
    where memory ran out and smaller micro-batches are tried. `memory`: the folder in which their sizes are remembered.

    Raises CellError when there is nothing to learn from in some step, when a loss is not a number, when the first step
    changed nothing, or (tuning.packing=packed) when the model cannot be packed; UserError for a target without modules
    and for what quantised weights cannot do. The same arguments give the same weights; global random state and
    environment stay untouched. Of several ranks, all call this with the same arguments, and the first writes and tells."""
    check_quantized(quantization.kind(loaded.model), settings, ranks.spread_on is not None)
    started = time.perf_counter()
    course = make_course(loaded, examples, settings, seed)
    if ranks.first:
        tell_cut(course, settings, loaded.context)
    work = _Work(loaded, course, settings, lr, seed, folder, logger, progress, ranks, Sizes(memory))
    while True:
        facts = work.attempt()
        if facts is not None:
            return replace(facts, seconds=round(time.perf_counter() - started, 3))
        course.log.clear()
        gc.collect()  # what the first attempt had allocated
        torch.cuda.empty_cache()


@dataclass(frozen=True)
class _Work:
    """What `tune` was asked for, and the micro-batches that are known."""

    loaded: Loaded
    course: Course
    settings: TuningConfig
    lr: float
    seed: int
    folder: Path
    logger: Logger | None
    progress: Callable[[int, int], None]
    ranks: Ranks
    sizes: Sizes

    @property
    def device(self) -> torch.device:
        return self.ranks.spread_on or self.loaded.device

    @property
    def mixed(self) -> bool:
        """Whether to compute in bf16 with weights in fp32: full tuning of a model that is kept in bf16."""
        return self.settings.method is Method.full and self.loaded.model.dtype is torch.bfloat16

    def attempt(self) -> TuningFacts | None:
        """The whole tuning; none when memory ran out and a smaller micro-batch, now among `sizes`, may help."""
        ranks, course = self.ranks, self.course
        with random_state(self.seed, self.device):
            model = _trainable(self.loaded, self.settings)
            net = adapters.network(model)
            attention = net.config._attn_implementation
            _refuse_different(net, course, ranks)
            ranks.spread(net)
            packed = _packed(net, course, self.settings, self.mixed, ranks)
            passes, key = self.passes(net.train(), packed)
            learner = Learner(net, course, self.settings, self.lr, passes, self.progress, ranks)
            if ranks.world > 1:  # dropout must not fall alike on the examples of different ranks
                torch.manual_seed(random.Random(f"pinch rank {ranks.rank} {self.seed}").getrandbits(63))
            try:
                with ranks.watch():
                    fit(learner, self.device, self.mixed, self.folder, self.logger)
            except torch.OutOfMemoryError:
                _note_smaller(passes.size, key, self.sizes, ranks)
                return None
            finally:
                if ranks.first:
                    _write_log(self.folder / "train_log.csv", course.log)
            net.set_attn_implementation(attention)
            _refuse_broken(net, ranks)
            whole = ranks.whole(model)
            if ranks.first:
                adapters.save(model, self.loaded, self.folder, whole)
        return _facts(course, passes, net, self.device, ranks)

    def passes(self, net: PreTrainedModel, packed: bool) -> tuple[Passes, str]:
        """With the micro-batch that the user set, or as many examples as fit; then also the key to remember that by."""
        passes = Passes(self.settings.micro_batch or 0, packed, self.loaded.pad)
        if passes.size:
            return passes, ""
        share = -(-max(map(len, self.course.steps)) // self.ranks.world)
        rows = microbatch.heaviest(self.course.rows, share)
        load = microbatch.Load(net, rows, self.settings, passes, self.mixed, self.device)
        size, key = microbatch.find(load, self.sizes, self.ranks)
        return replace(passes, size=size), key


def _note_smaller(size: int, key: str, sizes: Sizes, ranks: Ranks) -> None:
    """After a step ran out of GPU memory. Raises CellError where nothing smaller is left to try here and now."""
    if not key:
        raise CellError("out of GPU memory; set a lower tuning.micro_batch, or none to have it found") from None
    if size == 1:
        raise CellError(f"out of GPU memory with a single example; {microbatch.HELP}") from None
    sizes.note(key, size // 2)
    if ranks.world > 1:  # the others are in the middle of a step
        raise CellError(f"out of GPU memory; run the cell again, then with micro-batches of {size // 2}") from None
    log.warning("out of GPU memory with micro-batches of %d: from the start again, with %d", size, size // 2)


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


def _packed(net: PreTrainedModel, course: Course, settings: TuningConfig, mixed: bool, ranks: Ranks) -> bool:
    """Whether to pack; where packing is wanted the self-test decides."""
    if settings.packing is Packing.padded:
        return False
    order = sorted((row for row in course.rows if row.supervised), key=lambda row: len(row.ids))
    rows = [order[index * (len(order) - 1) // 3] for index in range(4)]
    # int8 rounds what comes in as much as bf16 does
    rough = mixed or quantization.kind(net) is Quantization.int8
    try:
        packing.check(net.train(False), rows, rough)
    except torch.OutOfMemoryError:
        raise CellError(f"out of GPU memory in the self-test of packing; {microbatch.HELP}") from None
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


def _facts(course: Course, passes: Passes, net: PreTrainedModel, device: torch.device, ranks: Ranks) -> TuningFacts:
    supervised: Counter[str] = Counter()
    for entry in course.log:
        supervised.update(entry.supervised)
    last = [entry.loss for entry in course.log[-10:]]
    if device.type == "cuda":
        memory = torch.cuda.max_memory_allocated(device)
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cut, silent = course.cut(), course.silent()
    return TuningFacts(
        steps=len(course.log),
        supervised_tokens=dict(sorted(supervised.items())),
        truncated=len(cut),
        truncated_examples=[named(example) for example in cut[:20]],
        silent=len(silent),
        silent_examples=[named(example) for example in silent[:20]],
        seconds=0.0,  # known when all is done
        final_loss=sum(last) / len(last),
        packing="packed" if passes.packed else "padded",
        micro_batch=passes.size,
        peak_memory=max(ranks.gather(memory)),
        trained=sum(weight.numel() for weight in net.parameters() if weight.requires_grad),
    )
