"""Part `check`: Pinch's own self-test of packing, packed logits against those of each example alone, in every precision."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from gpu import shapes
from gpu.cells import Tell
from gpu.setting import Setting
from pinch import adapters, attention, packing
from pinch.attention import Unsupported
from pinch.config import TuningConfig
from pinch.models import Loaded, random_state

LARGE = 2**31
"""Weights from which on a model is not tried in fp32: it would fill the GPU and show nothing new."""


def check(name: str, setting: Setting, tell: Tell) -> None:
    """Largest difference between the logits, as a share of the largest one, and of the gradients of adapters."""
    for dtype in {setting.dtype: None, torch.float32: None}:
        setting.forget()
        loaded = shapes.load(name, setting.device, dtype, setting.small)
        if dtype is torch.float32 and shapes.parameters(loaded.model) > LARGE:
            continue
        tell({"arm": str(dtype).removeprefix("torch."), **_found(loaded, setting)})


def _found(loaded: Loaded, setting: Setting) -> dict[str, Any]:
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
    made = shapes.examples(3 if setting.small else 16, vocabulary, setting.longest(512))
    rows = loaded.frame.encode_all(made, 512)
    try:
        difference = packing.check(loaded.model, rows)
    except Unsupported as error:
        return {"error": str(error)}
    heads = torch.empty(1, 1, _head_size(loaded), device=loaded.device, dtype=loaded.model.dtype)
    kernel = "varlen_attn" if attention._varlen_fits(heads, heads, 0.0) else "groups of SDPA"
    return {"difference": difference, "allowed": packing.TOLERANCE[loaded.model.dtype], "kernel": kernel} | _gradients(
        loaded, rows[:4]
    )


def _head_size(loaded: Loaded) -> int:
    shape = loaded.model.config
    return int(getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads)


def _gradients(loaded: Loaded, rows: list[Any]) -> dict[str, float]:
    """Relative distance between the gradients of all adapters, packed and padded: the self-test sees no backward pass."""
    before = loaded.model.config._attn_implementation
    found = []
    for packed in (True, False):
        loaded.model.set_attn_implementation(attention.NAME if packed else "sdpa")
        with random_state(0, loaded.device):
            net = adapters.network(adapters.add_lora(loaded.model, TuningConfig()))
            for weight in net.parameters():  # adapters begin at zero, where half of all gradients are zero
                if weight.requires_grad:
                    torch.nn.init.normal_(weight, std=0.02)
        weights = [1 / len(rows)] * len(rows)
        batch = (
            packing.pack(rows, weights, loaded.device)
            if packed
            else packing.pad(rows, weights, loaded.pad, loaded.device)
        )
        loss = cross_entropy(packing.supervised_logits(net, batch).float(), batch.targets, reduction="none")
        (loss @ batch.weights).backward()
        parts = [weight.grad.flatten() for weight in net.parameters() if weight.grad is not None]
        found.append(torch.cat(parts))
    loaded.model.set_attn_implementation(before)
    return {"gradients": float((found[0] - found[1]).norm() / found[1].norm())}
