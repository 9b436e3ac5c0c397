"""Stage: a loaded base model with what a cell was tuned to, and the proof that the tuning has an effect."""

import hashlib
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoConfig

from pinch.adapters import with_adapter
from pinch.errors import CellError
from pinch.models import Loaded, explained, load_weights

PROBE = "?"
"""The instruction on which models with and without their tuning are compared."""


def attach(loaded: Loaded, folder: Path) -> Loaded:
    """The model a cell tuned, ready to answer; `loaded` itself is left as it is. Raises CellError when `folder` holds
    neither adapter/ nor model/, or what it holds does not fit the model."""
    base = loaded.base or loaded
    if (folder / "adapter" / "adapter_config.json").is_file():
        return replace(base, model=with_adapter(base.model, folder / "adapter"), base=base)
    if (folder / "model" / "config.json").is_file():
        location = str(folder / "model")
        with explained(location):
            config = AutoConfig.from_pretrained(location)
            net = load_weights(location, config, base.model.dtype, base.device)
        return replace(base, model=net, base=base)
    raise CellError(f"{folder}: neither adapter/ nor model/ there; train the cell again")


def assert_adapter_active(loaded: Loaded) -> tuple[str, str]:
    """Digests of the logits with and without the tuning, after one probe instruction.

    Raises CellError when they are equal: then every answer would silently be the base model's."""
    if loaded.base is None:
        raise CellError("no tuning is attached to the model")
    tuned, base = _logits_digest(loaded), _logits_digest(loaded.base)
    if tuned == base:
        raise CellError("the tuned model's logits equal the base model's: its tuning is not active")
    return tuned, base


@torch.no_grad()
def _logits_digest(loaded: Loaded) -> str:
    ids = torch.tensor([loaded.frame.prompt_ids(PROBE)], device=loaded.device)
    logits = loaded.model(input_ids=ids, use_cache=False).logits.float().cpu().numpy()
    return hashlib.sha256(logits.tobytes()).hexdigest()[:16]
