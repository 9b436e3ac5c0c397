"""Part `attention`: causal attention inside documents of uneven lengths, forward and backward, in all ways that there are.

The documents are those of one optimizer step; the shapes are those of the models. What packing itself uses is compared with
one call per document, with the padded rectangle, and with flex attention.
"""

import statistics
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from gpu import shapes
from gpu.cells import Tell
from gpu.setting import Setting
from pinch import attention
from pinch.attention import Documents

Way = Callable[[Tensor, Tensor, Tensor], Tensor]
"""query (1, heads, tokens, size), key and value (1, key heads, tokens, size) -> (1, tokens, heads, size)"""


def documents(name: str, setting: Setting, tell: Tell) -> None:
    """Milliseconds of one layer's attention, and the largest error against fp32."""
    kind = shapes.config(name, setting.small)
    size = getattr(kind, "head_dim", None) or kind.hidden_size // kind.num_attention_heads
    rows = shapes.examples(setting.batch, 512, setting.longest(512))
    lengths = sorted(len(f"{row.instruction} {row.response}".split()) - 1 for row in rows)
    draw = torch.Generator(setting.device).manual_seed(0)
    q, k, v, gradient = (
        torch.randn(1, heads, sum(lengths), size, generator=draw, device=setting.device, dtype=setting.dtype)
        for heads in (kind.num_attention_heads, *[kind.num_key_value_heads] * 2, kind.num_attention_heads)
    )
    exact = _each(lengths)(q.float(), k.float(), v.float())
    for way, attend in _ways(lengths, setting).items():
        row: dict[str, Any] = {"arm": way, "heads": f"{q.shape[1]}/{k.shape[1]} x {size}", "tokens": sum(lengths)}
        try:
            leaves = [part.detach().requires_grad_() for part in (q, k, v)]
            error = float((attend(*leaves).float() - exact).abs().max())
            tell(row | {"error_of_fp32": error, "ms": _milliseconds(attend, leaves, gradient.transpose(1, 2), setting)})
        except Exception as error:
            tell(row | {"error": f"{type(error).__name__}: {str(error).split(chr(10))[0]}"})
        setting.forget()


def _milliseconds(attend: Way, leaves: list[Tensor], gradient: Tensor, setting: Setting) -> float:
    taken = []
    for number in range(setting.warm + 3 * setting.steps):
        started = setting.now()
        torch.autograd.grad(attend(*leaves), leaves, gradient)
        if number >= setting.warm:
            taken.append(1000 * (setting.now() - started))
    return statistics.median(taken)


def _ways(lengths: list[int], setting: Setting) -> dict[str, Way]:
    ways = {"groups of SDPA": _grouped(lengths, setting), "one SDPA per document": _each(lengths)}
    ways["padded SDPA"] = _padded(lengths, setting)
    if setting.on_gpu:  # neither has a kernel for CPUs
        ways = {"as packing does": _product(lengths, setting), **ways, "flex": _flex(lengths, setting)}
    return ways


def _product(lengths: list[int], setting: Setting) -> Way:
    parts = Documents(lengths, setting.device)
    return lambda q, k, v: attention.document_attention(torch.nn.Module(), q, k, v, None, documents=parts)[0]


def _grouped(lengths: list[int], setting: Setting) -> Way:
    """What packing does where there is no kernel for variable lengths."""
    inner = _product(lengths, setting)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with mock.patch.object(attention, "_varlen_fits", return_value=False):
            return inner(q, k, v)

    return attend


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])


def _each(lengths: list[int]) -> Way:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        parts = zip(*(part.split(lengths, dim=2) for part in (q, k, v)), strict=True)
        return torch.cat([_causal(*part) for part in parts], dim=2).transpose(1, 2)

    return attend


def _padded(lengths: list[int], setting: Setting) -> Way:
    """The rectangle of a padded batch, with the copies to and from it."""
    longest = max(lengths)
    places = [row * longest + place for row, length in enumerate(lengths) for place in range(length)]
    slots = torch.tensor(places, device=setting.device)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        grids = []
        for part in (q, k, v):
            grid = part.new_zeros(len(lengths) * longest, *part.shape[1::2])
            grid = grid.index_copy(0, slots, part[0].transpose(0, 1))
            grids.append(grid.view(len(lengths), longest, *part.shape[1::2]).transpose(1, 2))
        return _causal(*grids).transpose(1, 2).flatten(0, 1)[slots][None]

    return attend


def _flex(lengths: list[int], setting: Setting) -> Way:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    owners = torch.cat([torch.full((length,), number) for number, length in enumerate(lengths)]).to(setting.device)

    def inside(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return (query >= key) & (owners[query] == owners[key])

    total = sum(lengths)
    mask = create_block_mask(inside, None, None, total, total, device=setting.device.type)
    fast: Any = torch.compile(flex_attention)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        result: Tensor = fast(q, k, v, block_mask=mask, enable_gqa=q.shape[1] != k.shape[1])
        return result.transpose(1, 2)

    return attend
