"""Stage tune, inner part: how many examples go through the network at once, where the user does not say.

As many as fit, up to a rank's whole share of a step. An upper estimate decides where it is below the memory that is free;
else the heaviest examples are tried, with weight 0: on a GPU by halving until nothing runs out of memory, on a CPU by
doubling while the measured growth leaves room. What was found is remembered in a file. No part of a cell's identity: the
gradient of a step is the same.
"""

import gc
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from pinch import memory, quantization
from pinch.cells import digest
from pinch.config import Quantization, TuningConfig
from pinch.errors import CellError
from pinch.frames import Encoded
from pinch.learner import Passes, token_losses
from pinch.models import random_state
from pinch.ranks import ALONE, Ranks
from pinch.records import write_text

FILE = "micro_batch.json"

SHARE = 0.7
"""Of the memory that is free, what a step may take: the rest is for fragments and for others."""

SLACK = 1.2
"""How much more than twice the memory twice the examples may take."""

HELP = "tuning.gradient_checkpointing=true, tuning=qlora or a lower tuning.max_length need less"


@dataclass
class Sizes:
    """Sizes that were found before, in this process or, where there is a `folder`, by any."""

    folder: Path | None
    found: dict[str, int] = field(default_factory=dict)

    def known(self, key: str) -> int | None:
        size = self.found.get(key) or self._read().get(key)
        return size if isinstance(size, int) and size > 0 else None

    def note(self, key: str, size: int) -> None:
        self.found[key] = size
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / FILE, json.dumps(self._read() | {key: size}, indent=1, sort_keys=True) + "\n")

    def _read(self) -> dict[str, Any]:
        """What the file holds; a broken one is as good as none, it only saves time."""
        try:
            value = json.loads((self.folder / FILE).read_text(encoding="utf-8")) if self.folder else {}
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


@dataclass
class Load:
    """What is to be computed: the `heaviest` examples of a cell, the longest first; as many as a rank's share of a step."""

    net: PreTrainedModel
    heaviest: list[Encoded]
    settings: TuningConfig
    passes: Passes
    mixed: bool
    device: torch.device

    def attempt(self, size: int) -> None:
        """A forward and backward pass of the heaviest examples, after which everything is as before."""
        rows = self.heaviest[:size][::-1]
        try:
            with random_state(0, self.device):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
                    batch = self.passes.batch(rows, [0.0] * size, self.device)
                    loss = token_losses(self.net, batch) @ batch.weights
                torch.autograd.backward(loss)
        finally:
            for weight in self.trained:
                weight.grad = None

    @property
    def trained(self) -> list[Tensor]:
        return [weight for weight in self.net.parameters() if weight.requires_grad]

    def key(self, room: float) -> str:
        """A name for everything that decides how many examples fit into so many bytes. Numbers are rounded, so that like
        cells share it; on a GPU, which nobody else uses, its name stands for the room."""
        config = self.net.config.get_text_config().to_diff_dict()
        lengths = [len(row.ids) for row in self.heaviest]
        return digest(
            {
                "model": {name: str(value) for name, value in sorted(config.items()) if not name.startswith("_")},
                "dtypes": sorted({str(weight.dtype) for weight in self.net.parameters()}),
                "quantization": quantization.kind(self.net).value,
                "trained": sum(weight.numel() for weight in self.trained),
                "dora": self.settings.dora,
                "dropout": self.settings.dropout > 0,
                "checkpointing": self.settings.gradient_checkpointing,
                "packed": self.passes.packed,
                "mixed": self.mixed,
                "examples": len(lengths),
                "longest": coarse(lengths[0]),
                "tokens": coarse(sum(lengths)),
                "supervised": coarse(sum(row.supervised for row in self.heaviest)),
                "device": memory.name(self.device),
                "room": coarse(int(room)) if self.device.type == "cpu" else "",
            },
            16,
        )


def heaviest(rows: Sequence[Encoded], share: int) -> list[Encoded]:
    """The `share` longest of the sequences that teach anything, the longest first."""
    taught = [row for row in rows if row.supervised > 0]
    return sorted(taught, key=lambda row: (len(row.ids), row.supervised), reverse=True)[:share]


def find(load: Load, sizes: Sizes, ranks: Ranks) -> tuple[int, str]:
    """Examples per forward pass, the same on every rank, and the key under which that is remembered.

    Raises CellError when not even one example fits on a GPU."""
    most, sharers = len(load.heaviest), ranks.world if load.device.type == "cpu" else 1
    room = SHARE * memory.available(load.device, sharers)
    key = load.key(room)

    def fits(size: int) -> bool:
        return estimate(load, size, ranks) <= room

    size, tried = sizes.known(key), False
    if size is None:
        tried = not fits(most) and ranks.spread_on is None  # ranks with a part of the weights each cannot try alone
        if not tried:
            size = largest(most, fits)
        elif load.device.type == "cuda":
            size = _by_halving(most, load)
        else:
            size = by_doubling(most, load.attempt, room, fits)
    size = min(ranks.gather(size))
    if tried and ranks.first:
        sizes.note(key, size)
    return size, key


def largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest size up to `most` that fits, found by halves; 1 where none does."""
    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def by_halving(most: int, attempt: Callable[[int], None]) -> int:
    """The first of most, most/2, ... that does not run out of memory."""
    size = most
    while True:
        try:
            attempt(size)
        except torch.OutOfMemoryError:
            pass
        else:
            return size
        if size == 1:
            raise CellError(f"out of GPU memory with a single example; {HELP}")
        size //= 2
        gc.collect()  # only now: the error has held on to what the pass had allocated
        torch.cuda.empty_cache()


def _by_halving(most: int, load: Load) -> int:
    """By halving, with the memory taken that the optimizer is going to take (two numbers for each trained one)."""
    reserve = torch.empty(2 * sum(weight.numel() for weight in load.trained), device=load.device)
    size = by_halving(most, load.attempt)
    del reserve
    return size


def by_doubling(most: int, attempt: Callable[[int], None], room: float, fits: Callable[[int], bool]) -> int:
    """The largest size whose measured growth, carried on, stays within `room` bytes; `fits` decides where it cannot be
    measured. Sizes that would not are never tried, but for 1."""
    size = 1
    while True:
        grown = memory.growth(partial(attempt, size))
        if grown is None:
            return largest(most, fits)
        if size == most:
            return size
        double = min(2 * size, most)
        if grown * double / size * SLACK > room:
            return min(double - 1, max(size, int(size * room / (grown * SLACK))))
        size = double


def coarse(number: int) -> int:
    """Rounded up to three binary digits: steps of a quarter at most."""
    step = 1 << max(0, number.bit_length() - 3)
    return -(-number // step) * step


# --- the estimate --------------------------------------------------------------------------------------------------


def estimate(load: Load, size: int, ranks: Ranks = ALONE) -> int:
    """Bytes that a step with so many of the heaviest examples at once takes beside the weights: an upper bound, 1.8 to 5.6
    times what was measured (Llama, Qwen3, GPT-2 and BLOOM of 0.1 and 30 million weights; every method and precision)."""
    rows, config = load.heaviest[:size], load.net.config.get_text_config()
    lengths = [len(row.ids) for row in rows]
    tokens = sum(lengths) if load.passes.packed else len(rows) * lengths[0]
    lean = load.passes.packed and "logits_to_keep" in inspect.signature(load.net.forward).parameters
    supervised = sum(row.supervised for row in rows) if lean else tokens
    width = 4 if load.mixed else next(iter(load.net.parameters())).element_size()
    hidden, layers = int(config.hidden_size), int(config.num_hidden_layers)
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * hidden
    inner = max(inner) if isinstance(inner, list) else int(inner)
    per_layer = 30 * hidden + 12 * inner + 4 * int(config.num_attention_heads) * lengths[0]
    kept = (per_layer + layers * hidden) if load.settings.gradient_checkpointing else layers * per_layer
    logits = 4 * supervised * int(config.vocab_size) * 4
    parts = ranks.world if ranks.spread_on is not None else 1
    return tokens * kept * width + logits + _constant(load) // parts


def _constant(load: Load) -> int:
    """Bytes for gradients and optimizer, and what methods make of whole weight matrices."""
    state = 3 * 4 * sum(weight.numel() for weight in load.trained)
    every = sum(weight.numel() for weight in load.net.parameters())
    every *= 2 if quantization.kind(load.net) is Quantization.nf4 else 1
    if load.settings.dora:  # the norm of every adapted matrix is computed anew
        state += 4 * 4 * every
    return state + (2 * every if load.mixed else 0)
