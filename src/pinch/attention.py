"""Attention inside documents: several sequences in one row, none of which sees another.

`register()` makes the implementation known to transformers under NAME; a model switched to it is called with
`documents=Documents(...)`, without a cache and without a mask. It knows no mask of its own, so transformers makes none
(in 5.x an attention without a registered mask function gets None). Whatever it cannot do it refuses with
`Unsupported`: better a fallback to padding than documents that leak into each other.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "pinch_documents"

PADDING_LIMIT = 2.0
"""Documents are padded to the longest inside attention while that costs at most so many times their tokens; attention is
quadratic in length anyway and few large calls beat many small ones. Above it they are computed one by one."""


class Unsupported(Exception):  # noqa: N818 - an answer, not a mistake
    """The model's attention needs something that documents in one row do not get here."""


class Documents:
    """How a row of `total` tokens is divided into documents of `lengths` tokens each, on one device."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self.lengths = list(lengths)
        self.total = sum(self.lengths)
        self.longest = max(self.lengths)
        self.device = device

    @cached_property
    def positions(self) -> Tensor:
        """(total,) position of each token inside its document, from 0."""
        return torch.cat([torch.arange(length) for length in self.lengths]).to(self.device)

    @cached_property
    def slots(self) -> Tensor:
        """(total,) place of each token in a (documents x longest) grid."""
        starts = torch.arange(len(self.lengths)) * self.longest
        return torch.repeat_interleave(starts, torch.tensor(self.lengths)).to(self.device) + self.positions

    @cached_property
    def borders(self) -> Tensor:
        """(documents + 1,) int32, where each document starts, and the end."""
        ends = torch.tensor([0, *self.lengths]).cumsum(0)
        return ends.to(self.device, torch.int32)

    @property
    def padding(self) -> float:
        """Size of the grid in units of the tokens in it."""
        return len(self.lengths) * self.longest / self.total


def register() -> None:
    """Make the implementation known to transformers; again does no harm."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, document_attention)


def document_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    documents: Documents | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each document.

    query (1, heads, total, size), key and value (1, key heads, total, size) -> (1, total, heads, size). `scaling` is the
    factor of the scores (none: 1/sqrt(size)). Raises Unsupported for what is not done here."""
    if documents is None or attention_mask is not None or query.shape[0] != 1 or query.shape[2] != documents.total:
        raise Unsupported("attention is called in a way that does not tell the documents apart")
    window = options.get("sliding_window")
    if window is not None and window < documents.longest:
        raise Unsupported(f"a sliding window of {window} is shorter than the longest example ({documents.longest})")
    for name in ("softcap", "position_bias", "s_aux", "head_mask"):
        if options.get(name) is not None:
            raise Unsupported(f"attention with {name}")
    if options.get("is_causal") is False or not getattr(module, "is_causal", True):
        raise Unsupported("attention that is not causal")
    if torch.is_autocast_enabled(query.device.type):  # rotary embeddings give fp32, which FlashAttention does not take
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    q, k, v = query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1)  # (total, heads, size)
    if _varlen_fits(q, v, dropout):
        mixed = _varlen(q, k, v, scaling, documents)
    elif documents.padding <= PADDING_LIMIT:
        mixed = _grid(q, k, v, scaling, dropout, documents)
    else:
        mixed = _segments(q, k, v, scaling, dropout, documents)
    return mixed[None], None


def _varlen_fits(query: Tensor, value: Tensor, dropout: float) -> bool:
    half = query.dtype in (torch.bfloat16, torch.float16)
    size = query.shape[-1]
    return query.is_cuda and half and dropout == 0 and size == value.shape[-1] and size % 8 == 0 and size <= 256


def _varlen(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, documents: Documents) -> Tensor:
    """FlashAttention as it ships with torch; it has no kernel for CPUs."""
    from torch.nn.attention.varlen import varlen_attn

    result = varlen_attn(
        query, key, value, documents.borders, documents.borders, documents.longest, documents.longest,
        scale=scaling, window_size=(-1, 0), enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip
    assert isinstance(result, Tensor)
    return result


def _grid(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float, documents: Documents
) -> Tensor:
    """Documents side by side, padded behind: causal attention never looks there, so no mask is needed."""
    rows, longest, slots = len(documents.lengths), documents.longest, documents.slots
    heads = query.shape[1]
    spread: Callable[..., Tensor] = _Spread.apply
    grids = [
        spread(part.flatten(1), slots, rows * longest).view(rows, longest, -1, part.shape[-1]).transpose(1, 2)
        for part in (query, key, value)
    ]
    mixed = _causal(grids[0], grids[1], grids[2], scaling, dropout)
    flat = mixed.transpose(1, 2).reshape(rows * longest, -1)
    gather: Callable[..., Tensor] = _Gather.apply
    return gather(flat, slots).view(documents.total, heads, -1)


def _segments(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float, documents: Documents
) -> Tensor:
    """One call per document."""
    rows = [part.transpose(0, 1)[None] for part in (query, key, value)]
    parts = zip(*(torch.split(row, documents.lengths, dim=2) for row in rows), strict=True)
    mixed = [_causal(q, k, v, scaling, dropout) for q, k, v in parts]
    return torch.cat(mixed, dim=2)[0].transpose(0, 1)


def _causal(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float) -> Tensor:
    """(rows, heads, tokens, size); key heads are repeated for the query heads that share them."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    return scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True, scale=scaling)


class _Spread(torch.autograd.Function):
    """(total, width) -> (size, width) with rows at `slots` and zeros elsewhere; its gradient is a plain gather (that of
    torch's own operators is an addition row by row)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slots: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(slots)
        return values.new_zeros(size, values.shape[1]).index_copy_(0, slots, values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


class _Gather(torch.autograd.Function):
    """(size, width) -> (total, width), the rows at `slots`; the inverse of _Spread."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.size = values.shape[0]
        return values.index_select(0, slots)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        slots = ctx.saved_tensors[0]
        return gradient.new_zeros(ctx.size, gradient.shape[1]).index_copy_(0, slots, gradient), None
