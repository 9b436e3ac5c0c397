"""Attention inside documents: several sequences in one row, none of which sees another.

`register()` makes the implementation known to transformers under NAME; a model switched to it is called with
`documents=Documents(...)`, without a cache and without a mask. It knows no mask of its own, so transformers makes none
(in 5.x an attention without a registered mask function gets None). Whatever it cannot do it refuses with
`Unsupported`: better a fallback to padding than documents that leak into each other.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "pinch_documents"

WASTE_SHARE, WASTE_CONSTANT = 0.3, 2000
"""Neighbouring documents are padded to one length, and attended in one call, while the padding makes the scores (length
times length, summed) at most so much larger. A call of its own costs about as much as the constant (measured on a CPU)."""


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
    def borders(self) -> Tensor:
        """(documents + 1,) int32, where each document starts, and the end."""
        ends = torch.tensor([0, *self.lengths]).cumsum(0)
        return ends.to(self.device, torch.int32)

    @cached_property
    def blocks(self) -> list["Block"]:
        """The documents in groups of neighbours that are attended together; fewest when they come sorted by length."""
        groups: list[list[int]] = []
        for length in self.lengths:
            if groups and _worth_it([*groups[-1], length]):
                groups[-1].append(length)
            else:
                groups.append([length])
        return [Block(group, self.device) for group in groups]


class Block:
    """Neighbouring documents as a (rows x longest) grid, padded behind. `slots` (tokens,) is the place of each token in
    the grid, None where every place is taken."""

    def __init__(self, lengths: list[int], device: torch.device) -> None:
        self.rows, self.longest, self.tokens = len(lengths), max(lengths), sum(lengths)
        self.slots: Tensor | None = None
        if self.tokens < self.rows * self.longest:
            places = [row * self.longest + place for row, length in enumerate(lengths) for place in range(length)]
            self.slots = torch.tensor(places, device=device)


def _worth_it(lengths: list[int]) -> bool:
    needed = sum(length * length for length in lengths)
    return len(lengths) * max(lengths) ** 2 <= (1 + WASTE_SHARE) * needed + WASTE_CONSTANT


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
    else:
        sizes = [block.tokens for block in documents.blocks]
        rows = zip(documents.blocks, *(torch.split(part, sizes) for part in (q, k, v)), strict=True)
        mixed = torch.cat([_attend(block, query, key, value, scaling, dropout) for block, query, key, value in rows])
    return mixed[None], None


@cache
def _varlen_options() -> frozenset[str]:
    """What this torch's variable-length attention can be told; nothing where it has none."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return frozenset()
    return frozenset(inspect.signature(varlen_attn).parameters)


def _has_varlen() -> bool:
    """Whether this torch has variable-length attention, with the options that are needed here."""
    return {"scale", "window_size"} <= _varlen_options()


def _varlen_fits(query: Tensor, value: Tensor, dropout: float) -> bool:
    if not query.is_cuda or not _has_varlen():
        return False
    half = query.dtype in (torch.bfloat16, torch.float16)
    size = query.shape[-1]
    return half and dropout == 0 and size == value.shape[-1] and size % 8 == 0 and size <= 256


def _varlen(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, documents: Documents) -> Tensor:
    """FlashAttention as it ships with torch; it has no kernel for CPUs."""
    from torch.nn.attention.varlen import varlen_attn

    options: dict[str, Any] = {}
    if query.shape[1] != key.shape[1]:  # key heads are shared by query heads, which torch before 2.12 was not told
        if "enable_gqa" in _varlen_options():
            options["enable_gqa"] = True
        else:
            key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    result = varlen_attn(
        query, key, value, documents.borders, documents.borders, documents.longest, documents.longest,
        scale=scaling, window_size=(-1, 0), **options,
    )  # fmt: skip
    assert isinstance(result, Tensor)
    return result


def _attend(block: Block, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float) -> Tensor:
    """(tokens, heads, size) -> the same, within each document of a block. Causal attention never looks at the padding
    behind, so no mask is needed."""
    q, k, v = (_spread(part, block).transpose(1, 2) for part in (query, key, value))  # (rows, heads, longest, size)
    groups = q.shape[1] // k.shape[1]
    if groups > 1:  # key heads are shared by query heads
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    mixed = scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling)
    flat = mixed.transpose(1, 2).flatten(0, 1)
    if block.slots is None:
        return flat
    gather: Callable[..., Tensor] = _Gather.apply
    return gather(flat, block.slots)


def _spread(values: Tensor, block: Block) -> Tensor:
    """(tokens, heads, size) -> (rows, longest, heads, size)"""
    spread: Callable[..., Tensor] = _Spread.apply
    grid = values if block.slots is None else spread(values, block.slots, block.rows * block.longest)
    return grid.reshape(block.rows, block.longest, *values.shape[1:])


class _Spread(torch.autograd.Function):
    """(tokens, ...) -> (size, ...) with rows at `slots` and zeros elsewhere; its gradient is a plain gather (that of
    torch's own operators is an addition row by row)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slots: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(slots)
        return values.new_zeros(size, *values.shape[1:]).index_copy_(0, slots, values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.index_select(0, ctx.saved_tensors[0]), None, None


class _Gather(torch.autograd.Function):
    """(size, ...) -> (tokens, ...), the rows at `slots`; the inverse of _Spread."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.size = values.shape[0]
        return values.index_select(0, slots)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        slots = ctx.saved_tensors[0]
        return gradient.new_zeros(ctx.size, *gradient.shape[1:]).index_copy_(0, slots, gradient), None
