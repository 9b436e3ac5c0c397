"""Quantised models: loaded, tuned, saved, loaded again and asked, on the CPU; where bitsandbytes is not there, one line."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from safetensors.torch import load_file

from pinch import config, models, quantization
from pinch.config import (
    DType,
    GenerationConfig,
    Method,
    ModelConfig,
    ModelSource,
    Packing,
    Quantization,
    TrainConfig,
    TuningConfig,
)
from pinch.errors import UserError
from pinch.generation import assert_adapter_active, attach, generate
from pinch.models import Loaded
from pinch.ranks import Ranks
from pinch.records import Prompt
from pinch.tuning import TuningFacts, tune
from tiny import make_examples, make_folder

CPU = torch.device("cpu")
INT8, NF4 = Quantization.int8, Quantization.nf4
Load = Callable[..., Loaded]


@pytest.fixture
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """load(kind, quantization): a tiny model of matrices whose rows are whole blocks of 64 numbers."""
    pytest.importorskip("bitsandbytes")

    def make(kind: str, bits: Quantization, dtype: DType = DType.fp32) -> Loaded:
        folder = make_folder(tmp_path_factory.mktemp(kind), kind, **{"n_embd" if kind == "gpt2" else "hidden_size": 64})
        model = ModelConfig(source=ModelSource.hf, path=str(folder), quantization=bits, dtype=dtype)
        return models.load(model, str(folder), CPU)

    return make


def run(loaded: Loaded, folder: Path, ranks: Ranks | None = None, **changes: Any) -> TuningFacts:
    settings = TuningConfig(**{"epochs": 6, "batch_size": 8, "warmup": 1, "rank": 4} | changes)
    given: dict[str, Any] = {"lr": 1e-2, "seed": 0, "logger": None, "progress": lambda *now: None}
    return tune(loaded, make_examples(20), settings, folder=folder, **given, **({"ranks": ranks} if ranks else {}))


def first_line(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_without_bitsandbytes_one_line_says_what_to_install(
    tiny_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    folder = tiny_folder("llama")
    model = ModelConfig(source=ModelSource.hf, path=str(folder), quantization=NF4)
    with pytest.raises(UserError) as error:
        models.load(model, str(folder), CPU)
    assert first_line(error) == (
        "model.quantization=nf4 needs bitsandbytes, which is not installed; pip install -e '.[quantization]'"
    )
    quantization.refuse_missing(Quantization.none)


def test_qlora_is_one_word_and_the_bits_can_be_changed() -> None:
    def composed(*words: str) -> TrainConfig:
        for name, schema in config.SCHEMAS.items():
            ConfigStore.instance().store(name=f"{name}_schema", node=schema)
        with initialize_config_dir(str(Path(__file__).resolve().parents[1] / "conf"), version_base="1.3"):
            made: TrainConfig = OmegaConf.to_object(compose("train", list(words)))
        return made

    qlora = composed("tuning=qlora", "model=qwen3-0.6b", "tuning.rank=8")
    assert (qlora.tuning.method, qlora.tuning.rank, qlora.model.quantization) == (Method.lora, 8, NF4)
    assert qlora.model.name == "qwen3-0.6b"
    assert composed("tuning=qlora", "model.quantization=int8").model.quantization is INT8
    assert composed().model.quantization is Quantization.none


def test_the_fingerprint_is_that_of_the_files(tiny_folder: Callable[[str], Path]) -> None:
    model = ModelConfig(source=ModelSource.hf, path=str(tiny_folder("llama")))
    assert models.fingerprint(model) == models.fingerprint(replace(model, quantization=NF4))


@pytest.mark.parametrize("bits", [NF4, INT8])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_tuned_saved_loaded_and_asked(load: Load, tmp_path: Path, bits: Quantization, kind: str) -> None:
    loaded = load(kind, bits)
    assert quantization.kind(loaded.model) is bits
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    facts = run(loaded, tmp_path)
    assert facts.packing == "packed"
    rows = (tmp_path / "train_log.csv").read_text().splitlines()
    assert facts.final_loss < 0.97 * float(rows[1].split(",")[1])
    assert all(torch.equal(value, before[name]) for name, value in loaded.model.state_dict().items())
    tensors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert all("lora" in name for name in tensors), "an adapter like any other"
    again = attach(load(kind, bits), tmp_path)
    assert assert_adapter_active(again) == assert_adapter_active(attach(loaded, tmp_path))
    (answer,) = generate(again, [Prompt("p", "en", "What is red?")], GenerationConfig(max_new_tokens=4), lambda n: None)
    assert answer.id == "p"


@pytest.mark.parametrize("bits", [NF4, INT8])
def test_gradients_are_those_of_the_unpacked_weights(load: Load, bits: Quantization) -> None:
    """Also after passes without gradients, in which bitsandbytes may repack weights."""
    net = load("llama", bits).model
    layer = net.get_decoder().layers[0].mlp.up_proj
    from peft.utils.integrations import dequantize_bnb_weight

    weight = dequantize_bnb_weight(layer.weight, getattr(layer, "state", None)).float()
    with torch.no_grad():
        net(torch.tensor([[5, 6, 7]]))
    inputs = torch.randn(3, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    layer.train()(inputs).sum().backward()
    torch.testing.assert_close(inputs.grad, weight.sum(0).expand(3, -1), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bits", [NF4, INT8])
def test_twins_share_every_bit(load: Load, bits: Quantization) -> None:
    loaded = load("llama", bits)
    other = models.twin(loaded.model)
    own = {id(value) for value in (*loaded.model.parameters(), *quantization.shared(loaded.model))}
    assert {id(value) for value in (*other.parameters(), *quantization.shared(other))} == own
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        assert torch.equal(other(ids).logits, loaded.model(ids).logits)


def test_only_linear_layers_have_fewer_bits(load: Load) -> None:
    net = load("llama", NF4, DType.bf16).model
    kept = {str(weight.dtype) for name, weight in net.named_parameters() if "norm" in name or "embed" in name}
    assert kept == {"torch.bfloat16"}
    assert sum("4bit" in type(module).__name__ for module in net.modules()) == 14


def test_the_text_part_of_a_model_that_sees_images(load: Load, tmp_path: Path) -> None:
    loaded = load("gemma3", NF4)
    assert quantization.kind(loaded.model) is NF4
    run(loaded, tmp_path, epochs=1, packing=Packing.padded)
    assert_adapter_active(attach(loaded, tmp_path))


@pytest.mark.parametrize("changes", [{"dora": True}, {"gradient_checkpointing": True}])
def test_nf4_with_other_options(load: Load, tmp_path: Path, changes: dict[str, Any]) -> None:
    loaded = load("llama", NF4, DType.bf16)
    assert run(loaded, tmp_path, epochs=1, **changes).packing == "packed"
    assert_adapter_active(attach(loaded, tmp_path))


@pytest.mark.parametrize(
    ("bits", "changes", "spread", "words"),
    [
        (
            NF4,
            {"method": Method.full},
            False,
            "tuning.method=full with model.quantization=nf4: quantised weights cannot be",
        ),
        (INT8, {"dora": True}, False, "tuning.dora with model.quantization=int8 does not work in PEFT; use"),
        (
            NF4,
            {},
            True,
            "trainer=fsdp with model.quantization=nf4: quantised weights cannot be spread; use trainer=ddp",
        ),
    ],
)
def test_refusals(
    tiny_folder: Callable[[str], Path],
    tiny_loaded: Load,
    tmp_path: Path,
    bits: Quantization,
    changes: dict[str, Any],
    spread: bool,
    words: str,
) -> None:
    loaded = tiny_loaded()
    setattr(loaded.model, {INT8: "is_loaded_in_8bit", NF4: "is_loaded_in_4bit"}[bits], True)
    with pytest.raises(UserError) as error:
        run(loaded, tmp_path, Ranks(0, 1, CPU) if spread else None, **changes)
    assert first_line(error).startswith(words)
