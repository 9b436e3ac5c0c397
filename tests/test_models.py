"""Finding, identifying, loading and framing models."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pinch import models
from pinch.config import Accelerator, DType, ModelConfig, ModelSource, TrainerConfig
from pinch.errors import UserError
from tiny import make_folder, make_tokenizer

Folder = Callable[[str], Path]


def hf(path: Path | str, **settings: Any) -> ModelConfig:
    return ModelConfig(source=ModelSource.hf, path=str(path), **settings)


def one_line(error: pytest.ExceptionInfo[Any], *parts: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    assert all(part in text for part in parts), text


# --- fingerprint and locate ----------------------------------------------------------------------------------------


def test_fingerprint_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    code = (
        "import sys; from pinch import models; from pinch.config import ModelConfig, ModelSource\n"
        f"models.fingerprint(ModelConfig(source=ModelSource.hf, path={str(tmp_path)!r}))\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_fingerprint_follows_content_and_ignores_bystanders(tiny_folder: Folder, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(tiny_folder("llama"), folder)
    first = models.fingerprint(hf(folder))
    assert first == models.fingerprint(hf(tiny_folder("llama"))), "the place does not matter"
    (folder / "README.md").write_text("hello")
    (folder / "pytorch_model.bin").write_bytes(b"not read where there are safetensors")
    assert models.fingerprint(hf(folder)) == first
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        data = bytearray((folder / name).read_bytes())
        data[-2] ^= 1
        (folder / name).write_bytes(bytes(data))
        second = models.fingerprint(hf(folder))
        assert second != first, name
        first = second


def test_fingerprint_samples_large_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "SAMPLED_ABOVE", 3 * 2**20)
    weights = tmp_path / "model.safetensors"
    data = bytearray(4 * 2**20)
    weights.write_bytes(data)
    first = models.fingerprint(hf(tmp_path))
    for place, seen in ((10, True), (2 * 2**20, False), (len(data) - 10, True)):
        changed = bytearray(data)
        changed[place] = 1
        weights.write_bytes(changed)
        assert (models.fingerprint(hf(tmp_path)) != first) is seen


def test_the_embedded_model_is_its_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pinch.embedded import base

    assert models.fingerprint(ModelConfig()) == f"embedded-{base.recipe_hash()}"
    asked: list[Any] = []
    monkeypatch.setattr(base, "ensure", lambda *given: asked.extend(given) or tmp_path / "made")
    tell = print
    assert models.locate(ModelConfig(), tmp_path, tell) == str(tmp_path / "made")
    assert asked == [tmp_path, tell]


def test_fingerprint_of_a_hub_id() -> None:
    assert models.fingerprint(hf("org/model", revision="v2")) == "org/model@v2"
    assert models.fingerprint(hf("org/model")) == "org/model@main"


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "llama").mkdir()
    with pytest.raises(UserError) as error:
        models.fingerprint(hf(tmp_path / "lama"))
    one_line(error, "lama", "no such folder", "did you mean 'llama'?")


@pytest.mark.parametrize(
    ("missing", "said"),
    [("config.json", "no config.json"), ("tokenizer*", "no tokenizer"), ("*.safetensors", "no weights")],
)
def test_locate_names_what_is_missing(tiny_folder: Folder, tmp_path: Path, missing: str, said: str) -> None:
    folder = tmp_path / "m"
    shutil.copytree(tiny_folder("llama"), folder)
    assert models.locate(hf(folder), tmp_path, None) == str(folder)
    for path in folder.glob(missing):
        path.unlink()
    with pytest.raises(UserError) as error:
        models.locate(hf(folder), tmp_path, None)
    one_line(error, said)


def test_locate_refuses_encoder_decoders_and_broken_configs(tiny_folder: Folder, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(tiny_folder("llama"), folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", "is_encoder_decoder": True}))
    with pytest.raises(UserError) as error:
        models.locate(hf(folder), tmp_path, None)
    one_line(error, "encoder-decoder", "t5")
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError) as error:
        models.locate(hf(folder), tmp_path, None)
    one_line(error, "config.json", "cannot be read")


def test_locate_leaves_hub_ids_alone(tmp_path: Path) -> None:
    assert models.locate(hf("org/model"), tmp_path, None) == "org/model"


# --- loading -------------------------------------------------------------------------------------------------------


def test_a_loaded_model_is_frozen_and_ready(tiny_loaded: Callable[..., Any]) -> None:
    import torch

    loaded = tiny_loaded()
    assert not loaded.model.training
    assert not any(weight.requires_grad for weight in loaded.model.parameters())
    assert loaded.model.dtype is torch.float32
    assert (loaded.context, loaded.pad, loaded.frame.end) == (256, 2, 1)
    assert tiny_loaded(context=64, dtype=DType.bf16).context == 64


def test_pad_falls_back_to_eos(tiny_folder: Folder, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "m"
    shutil.copytree(tiny_folder("llama"), folder)
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    loaded = models.load(hf(folder), str(folder), torch.device("cpu"))
    assert loaded.pad == loaded.tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "no-such-type"}, "cannot be loaded"),
        ({"model_type": "vit"}, "no causal language model of type vit"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "encoder-decoder"),
    ],
)
def test_models_that_cannot_be_used_are_named(tiny_folder: Folder, tmp_path: Path, change: Any, said: str) -> None:
    import torch

    folder = tmp_path / "m"
    shutil.copytree(tiny_folder("llama"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError) as error:
        models.load(hf(folder), str(folder), torch.device("cpu"))
    one_line(error, str(folder), said)


def test_a_model_that_sees_what_comes_is_refused(tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertLMHeadModel

    folder = make_folder(tmp_path / "m")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = BertConfig(vocab_size=520, initializer_range=0.2, **sizes)
    BertLMHeadModel(config).save_pretrained(folder)
    with pytest.raises(UserError) as error:
        models.load(hf(folder), str(folder), torch.device("cpu"))
    one_line(error, "no causal language model")


def test_broken_weights_are_said(tiny_folder: Folder, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "m"
    shutil.copytree(tiny_folder("llama"), folder)
    (folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(UserError) as error:
        models.load(hf(folder), str(folder), torch.device("cpu"))
    one_line(error, str(folder), "cannot be loaded")


def test_an_end_token_that_the_model_lacks_is_refused(tmp_path: Path) -> None:
    import torch

    folder = make_folder(tmp_path / "m")
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([f"new{number}" for number in range(20)], special_tokens=True)
    tokenizer.pad_token = "new19"
    tokenizer.save_pretrained(folder)
    loaded = models.load(hf(folder), str(folder), torch.device("cpu"))
    assert loaded.pad == loaded.frame.end, "a pad token without a row in the model is not used"
    tokenizer.eos_token = "new18"
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError) as error:
        models.load(hf(folder), str(folder), torch.device("cpu"))
    one_line(error, "426 tokens", "token 436")


def test_context_beyond_the_model_is_refused(tiny_loaded: Callable[..., Any]) -> None:
    with pytest.raises(UserError) as error:
        tiny_loaded(context=1000)
    one_line(error, "model.context=1000", "256")


def test_device() -> None:
    import torch

    assert models.device(TrainerConfig(accelerator=Accelerator.cpu)).type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no GPU"):
            models.device(TrainerConfig(accelerator=Accelerator.gpu))


def test_a_twin_shares_weights_but_not_layers(tiny_loaded: Callable[..., Any]) -> None:
    net = tiny_loaded().model
    other = models.twin(net)
    assert other is not net
    assert other.config is not net.config
    assert all(a is b for a, b in zip(net.parameters(), other.parameters(), strict=True))
    assert not {id(module) for module in net.modules()} & {id(module) for module in other.modules()}
