"""PEFT's options: what they change is trained, saved, and back after loading."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pinch import adapters
from pinch.config import Packing, TuningConfig
from pinch.generation import attach
from pinch.tuning import TuningFacts, tune
from tiny import make_examples

Loaded = Callable[..., Any]


def run(loaded: Any, folder: Path, **changes: Any) -> TuningFacts:
    settings = TuningConfig(**{"epochs": 1, "batch_size": 8, "warmup": 1, "rank": 4} | changes)
    given: dict[str, Any] = {"lr": 1e-2, "seed": 0, "logger": None, "progress": lambda *now: None}
    return tune(loaded, make_examples(16), settings, folder=folder, **given)


def scales(net: Any) -> set[float]:
    from peft.tuners.lora import LoraLayer

    return {scale for module in net.modules() if isinstance(module, LoraLayer) for scale in module.scaling.values()}


def logits(net: Any, loaded: Any) -> Tensor:
    with torch.no_grad():
        result: Tensor = net(torch.tensor([loaded.frame.prompt_ids("What is red?")])).logits
    return result


def test_the_scale_by_hand(tiny_loaded: Loaded) -> None:
    loaded = tiny_loaded()
    plain = adapters.add_lora(loaded.model, TuningConfig(rank=16, alpha=32.0))
    stable = adapters.add_lora(loaded.model, TuningConfig(rank=16, alpha=32.0, rslora=True))
    assert (scales(plain), scales(stable)) == ({2.0}, {8.0}), "alpha / rank, and alpha / sqrt(rank)"


def test_the_scale_is_saved(tiny_loaded: Loaded, tmp_path: Path) -> None:
    loaded = tiny_loaded()
    run(loaded, tmp_path, rslora=True, alpha=6.0)
    assert scales(attach(loaded, tmp_path).model) == {3.0}
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["use_rslora"] is True


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("changes", [{"rslora": True}, {"dora": True}, {"dora": True, "rslora": True, "dropout": 0.1}])
def test_saved_adapters_give_the_trained_logits(
    tiny_loaded: Loaded, tmp_path: Path, kind: str, changes: dict[str, Any], saved_networks: list[Any]
) -> None:
    loaded = tiny_loaded(kind)
    assert run(loaded, tmp_path, packing=Packing.packed, **changes).packing == "packed"
    tuned = logits(saved_networks[0], loaded)
    assert torch.equal(logits(attach(loaded, tmp_path).model, loaded), tuned)
    assert (tuned - logits(loaded.model, loaded)).abs().max() > 1e-3


def test_magnitudes_are_trained_and_saved(tiny_loaded: Loaded, tmp_path: Path) -> None:
    """One number per output of each adapted matrix; before training it is the norm of the matrix' row."""
    loaded = tiny_loaded()
    run(loaded, tmp_path / "plain")
    run(loaded, tmp_path / "dora", dora=True)
    plain, dora = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("plain", "dora"))
    magnitudes = {name: vector for name, vector in dora.items() if "magnitude" in name}
    assert set(dora) - set(plain) == set(magnitudes)
    assert len(magnitudes) == 14, "7 matrices in each of 2 layers"
    weights = dict(loaded.model.named_parameters())
    for name, vector in magnitudes.items():
        row_norms = weights[name.removeprefix("base_model.model.").split(".lora_")[0] + ".weight"].norm(dim=1)
        assert vector.shape == row_norms.shape
        assert 1e-5 < (vector - row_norms).abs().max() < 0.5


def test_dropout_falls_in_training_alone(tiny_loaded: Loaded) -> None:
    loaded = tiny_loaded()
    net = adapters.network(adapters.add_lora(loaded.model, TuningConfig(rank=4, dropout=0.5)))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "lora_B" in name:
                weight.fill_(0.1)
    net.train()
    assert not torch.equal(logits(net, loaded), logits(net, loaded))
    net.eval()
    assert torch.equal(logits(net, loaded), logits(net, loaded))
