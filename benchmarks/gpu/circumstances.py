"""Under what circumstances a cell is tuned, to see what they would bring: context managers around `pinch.tuning.tune`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch

from pinch import attention, tuning
from pinch.config import TuningConfig
from pinch.models import Loaded


@contextmanager
def autocast() -> Iterator[None]:
    """Adapters, which are kept in fp32, compute in bf16, and no copy of their input in fp32 is made."""
    original = tuning._trainable

    def trainable(loaded: Loaded, settings: TuningConfig) -> Any:
        model = original(loaded, settings)
        for module in model.modules():
            if hasattr(module, "lora_A"):
                module.cast_input_dtype_enabled = False
        return model

    with (
        mock.patch.object(tuning._Work, "mixed", True, create=True),
        mock.patch.object(tuning, "_trainable", trainable),
    ):
        yield


@contextmanager
def tf32() -> Iterator[None]:
    """Adapters, which are kept in fp32, compute in TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


@contextmanager
def compiled(backend: str) -> Iterator[None]:
    """Every layer goes through torch.compile, but for the attention, whose lengths differ from step to step."""
    original = tuning._trainable

    def trainable(loaded: Loaded, settings: TuningConfig) -> Any:
        model = original(loaded, settings)
        net: Any = tuning.adapters.network(model)
        for layer in net.get_decoder().layers:
            layer.compile(dynamic=True, backend=backend)
        return model

    outside = torch.compiler.disable(attention.document_attention)
    try:
        with (
            mock.patch.object(tuning, "_trainable", trainable),
            mock.patch.object(attention, "document_attention", outside),
        ):
            yield
    finally:
        attention.register()
        torch.compiler.reset()
