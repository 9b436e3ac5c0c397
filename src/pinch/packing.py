"""Micro-batches of training sequences, without padding or with, and the logits at their supervised positions.

    pack(rows, weights, device)   one row of all sequences behind each other; attention stays inside each (attention.py)
    pad(rows, weights, pad, ...)  the classic rectangle, for models that cannot be packed
    supervised_logits(net, batch) (supervised tokens, vocabulary)
    check(net, rows)              raises Unsupported unless packed logits equal those of each sequence alone

The last token of a sequence predicts nothing and is not computed.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pinch import attention
from pinch.attention import Documents, Unsupported
from pinch.frames import Encoded
from pinch.models import hushed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 6e-2, torch.float16: 1e-2}
"""Largest difference between packed and separate logits, as a share of the largest logit, that is rounding: a leak
between documents was measured at 0.2 to 0.7 on random models, sound packing at 1e-6 (fp32)."""


@dataclass
class Batch:
    """One forward pass. `ids` (rows, tokens); packed: one row with `positions` (1, tokens) and `documents`; padded: a
    `mask` (rows, tokens); `keep` (k,) the
    token positions whose logits are computed; `select` (s,) the supervised ones among rows x k; `targets` (s,) the tokens
    to predict there; `weights` (s,) their share in the loss of the optimizer step; `owners` (s,) the sequence of each."""

    ids: Tensor
    positions: Tensor | None
    mask: Tensor | None
    documents: Documents | None
    keep: Tensor
    select: Tensor | None
    targets: Tensor
    weights: Tensor
    owners: list[int]


def pack(rows: Sequence[Encoded], weights: Sequence[float], device: torch.device) -> Batch:
    """All sequences in one row. `weights` holds one number per sequence: the weight of each of its supervised tokens."""
    lengths = [len(row.ids) - 1 for row in rows]
    documents = Documents(lengths, device)
    keep: list[int] = []
    start = 0
    for row, length in zip(rows, lengths, strict=True):
        for first, end in row.spans:  # a token is predicted at the place before it
            keep.extend(range(start + first - 1, start + end - 1))
        start += length
    ids = [token for row in rows for token in row.ids[:-1]]
    return Batch(
        torch.tensor([ids], device=device),
        documents.positions[None],
        None,
        documents,
        torch.tensor(keep, device=device),
        None,
        *_targets(rows, weights, device),
    )


def pad(rows: Sequence[Encoded], weights: Sequence[float], filler: int, device: torch.device) -> Batch:
    """The sequences below each other, filled up at the right with `filler`, which is masked out."""
    lengths = [len(row.ids) - 1 for row in rows]
    longest = max(lengths)
    ids = torch.full((len(rows), longest), filler)
    mask = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    wanted = torch.zeros((len(rows), longest), dtype=torch.bool)
    for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        ids[number, :length] = torch.tensor(row.ids[:-1])
        for first, end in row.spans:
            wanted[number, first - 1 : end - 1] = True
    keep = wanted.any(0).nonzero().flatten()
    return Batch(
        ids.to(device),
        None,
        mask.to(device),
        None,
        keep.to(device),
        wanted[:, keep].flatten().nonzero().flatten().to(device),
        *_targets(rows, weights, device),
    )


def _targets(
    rows: Sequence[Encoded], weights: Sequence[float], device: torch.device
) -> tuple[Tensor, Tensor, list[int]]:
    targets = [token for row in rows for first, end in row.spans for token in row.ids[first:end]]
    owners = [number for number, row in enumerate(rows) for _ in range(row.supervised)]
    spread = torch.tensor([weights[number] for number in owners], dtype=torch.float32, device=device)
    return torch.tensor(targets, device=device), spread, owners


def supervised_logits(net: "PreTrainedModel", batch: Batch) -> Tensor:
    """(supervised tokens, vocabulary), computed for as few positions as the model lets us ask for."""
    if batch.documents is not None:
        options = {"position_ids": batch.positions, "documents": batch.documents}
    else:  # padding is behind, so the model's own positions are right; not every model takes others
        options = {"attention_mask": batch.mask}
    lean = "logits_to_keep" in inspect.signature(net.forward).parameters
    if lean:
        options["logits_to_keep"] = batch.keep
    logits: Tensor = net(input_ids=batch.ids, use_cache=False, **options).logits
    if not lean:
        logits = logits[:, batch.keep]
    logits = logits.flatten(0, 1)
    return logits if batch.select is None else logits[batch.select]


def check(net: "PreTrainedModel", rows: Sequence[Encoded], mixed: bool = False) -> float:
    """Self-test of packing: the largest difference between packed logits and those of each sequence alone, as a share of
    the largest logit.

    Switches the model, which must be in eval mode, to document attention. Raises Unsupported, and switches back, when the
    model cannot or when the difference is more than rounding. `mixed`: compute in bf16 as mixed precision would."""
    device = net.device
    before = net.config._attn_implementation
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        alone = torch.cat([supervised_logits(net, pad([row], [1.0], 0, device)) for row in rows])
        try:
            switch(net)
            return _compare(supervised_logits(net, pack(rows, [1.0] * len(rows), device)), alone)
        except torch.OutOfMemoryError:  # a RuntimeError, but nothing that padding would help against
            raise
        except (Unsupported, TypeError, ValueError, RuntimeError) as error:
            net.set_attn_implementation(before)
            raise Unsupported(str(error).split("\n")[0]) from error


def switch(net: "PreTrainedModel") -> None:
    """Give the model document attention. Raises Unsupported when its class does not let attention be chosen."""
    attention.register()
    with hushed():  # a model that cannot says so in a log line; the caller says it better
        net.set_attn_implementation(attention.NAME)
    if net.config._attn_implementation != attention.NAME:
        raise Unsupported(f"{type(net).__name__} does not let its attention be chosen")


def _compare(packed: Tensor, alone: Tensor) -> float:
    difference = float((packed.float() - alone.float()).abs().max() / alone.float().abs().max().clamp_min(1e-6))
    if not difference <= TOLERANCE.get(alone.dtype, 1e-4):
        raise Unsupported(f"packed logits differ from separate ones by {difference:.2g} of the largest")
    return difference
