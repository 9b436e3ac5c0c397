"""Edge: frozen weights in fewer bits, through bitsandbytes (extra `quantization`), on GPUs and CPUs.

    refuse_missing(quantization)     one line where bitsandbytes is not installed
    options(quantization, dtype, ..) what from_pretrained is told
    settle(net)                      makes the layers of a loaded model fit to be shared, trained through and compared
    shared(net)                      what a second network must take over, beside weights and buffers, and not copy
    kind(net)                        in which bits a network's weights are

Nothing but the linear layers is quantised; the rest (norms, embeddings, output layer) stays in the model's own precision.
PEFT's preparation for such models would cast all of that to fp32, which costs memory and is not needed: adapters are fp32
anyway. nf4 is the type of QLoRA (arXiv 2305.14314), with its constants quantised too; int8 is LLM.int8 (arXiv 2208.07339).
"""

import importlib.util
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pinch.config import Quantization
from pinch.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

FLAGS = ("is_loaded_in_4bit", "is_loaded_in_8bit", "is_quantized", "quantization_method", "hf_quantizer")
"""What transformers writes on a quantised network, and PEFT asks for."""


def refuse_missing(quantization: Quantization) -> None:
    """Raises UserError when bitsandbytes is needed and not installed; imports nothing."""
    if quantization is not Quantization.none and importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"model.quantization={quantization.value} needs bitsandbytes, which is not installed; "
            "pip install -e '.[quantization]'"
        )


def options(quantization: Quantization, dtype: "torch.dtype", device: "torch.device") -> dict[str, Any]:
    """Arguments of from_pretrained: how to quantise and where to (a quantised network cannot be moved afterwards)."""
    if quantization is Quantization.none:
        return {}
    import transformers

    config: Any = transformers.BitsAndBytesConfig
    # int8 tells in every forward pass that it computes in fp16, which is what it is
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if quantization is Quantization.int8:
        chosen = config(load_in_8bit=True)
    else:
        chosen = config(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    return {"quantization_config": chosen, "device_map": {"": device}}


def settle(net: "PreTrainedModel") -> None:
    """Make quantised layers stay as they are, whatever is computed with them.

    bitsandbytes changes weights in place in forward passes. int8 layers move their scales from the weight to the layer in
    the first one, where a network that shares the weight finds none. nf4 layers, on CPUs with AVX512-BF16, are repacked in
    the first one without gradients, and gradients through repacked weights are silently missing afterwards."""
    for layer in _layers(net):
        if hasattr(layer, "init_8bit_state"):
            layer.init_8bit_state()
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def shared(net: "PreTrainedModel") -> list[Any]:
    """The objects beside weights and buffers that hold what quantised layers compute with."""
    found = [getattr(layer, name, None) for layer in _layers(net) for name in ("state", "quant_state")]
    return [state for state in found if state is not None]


def kind(net: "PreTrainedModel") -> Quantization:
    if getattr(net, "is_loaded_in_8bit", False):
        return Quantization.int8
    return Quantization.nf4 if getattr(net, "is_loaded_in_4bit", False) else Quantization.none


def _layers(net: "PreTrainedModel") -> Iterator[Any]:
    for layer in net.modules():
        if type(layer).__module__.startswith("bitsandbytes."):
            yield layer
