"""What keeps a model from being used: every reason in one line, through a double of the hub and files that do not fit."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from model_hub import COMMIT, serve
from pinch import models
from pinch.config import ModelConfig, ModelSource
from pinch.errors import UserError
from tiny import make_folder, make_tokenizer

Folder = Callable[[str], Path]
Hub = Callable[..., Any]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """hub(models) as a context manager: a hub on this machine, with a cache of its own."""
    from huggingface_hub import constants
    from huggingface_hub.utils import _http

    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda seconds: None))  # between its attempts
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)

    @contextmanager
    def opened(found: dict[str, Any]) -> Iterator[list[str]]:
        asked: list[str] = []
        with serve(found, asked) as address:
            monkeypatch.setattr(constants, "ENDPOINT", address)
            monkeypatch.setattr(
                constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
            )
            yield asked

    return opened


def load(path: str | Path, **settings: Any) -> models.Loaded:
    config = ModelConfig(source=ModelSource.hf, path=str(path), **settings)
    return models.load(config, models.locate(config, Path(), None), torch.device("cpu"))


def refusal(path: str | Path, **settings: Any) -> str:
    with pytest.raises(UserError) as error:
        load(path, **settings)
    one_line(error.value, f"{path}: ")
    return str(error.value)


def one_line(error: BaseException, start: str, *parts: str) -> None:
    text = str(error)
    assert "\n" not in text
    assert text.startswith(start), text
    assert all(part in text for part in parts), text


def test_a_model_of_the_hub_is_fetched_once(hub: Hub, tiny_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with hub({"org/tiny": tiny_folder("qwen3")}) as asked:
        first = load("org/tiny", revision=COMMIT)
        assert any(path.endswith(f"/{COMMIT}/model.safetensors") for path in asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    again = load("org/tiny", revision=COMMIT)
    local = load(tiny_folder("qwen3"))
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(first.model(ids).logits, local.model(ids).logits)
    assert torch.equal(again.model(ids).logits, local.model(ids).logits)


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        ({"org/m": "GatedRepo"}, ["gated", "accept its terms on https://huggingface.co/org/m", "hf auth login"]),
        ({}, ["no such model", "or a private one", "check model.path"]),
        ({"org/m": ""}, ["refuses access (403)", "with a token that may read it"]),
        ({"org/m": "down"}, ["not in the local cache", "does not answer", "give model.path=FOLDER"]),
    ],
)
def test_what_the_hub_refuses(hub: Hub, found: Any, parts: list[str]) -> None:
    with hub(found), pytest.raises(UserError) as error:
        load("org/m")
    one_line(error.value, "org/m: ", *parts)
    passing = found == {"org/m": "down"}
    assert isinstance(error.value.__cause__, OSError) is passing, "a sweep tries again what may pass"


def test_a_missing_revision(hub: Hub, tiny_folder: Folder) -> None:
    with hub({"org/m": tiny_folder("llama")}):
        assert "no such branch, tag or commit" in refusal("org/m", revision="v9")


def test_no_network_and_no_permission_to_ask(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with hub({}):
        pass  # its address stays, nobody answers there
    with pytest.raises(UserError) as error:
        load("org/m")
    assert "does not answer" in str(error.value)
    assert isinstance(error.value.__cause__, OSError), "it may pass, so that a sweep tries again"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE forbids" in refusal("org/m")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "Unrecognized model"),
        ("tokenizer*", "no tokenizer there"),
        ("*.safetensors", "model.safetensors"),
    ],
)
def test_models_of_the_hub_that_lack_files(
    hub: Hub, tiny_folder: Folder, tmp_path: Path, missing: str, said: str
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(tiny_folder("llama"), folder)
    for path in folder.glob(missing):
        path.unlink()
    with hub({"org/m": folder}):
        assert said in refusal("org/m")


def test_an_encoder_decoder_of_the_hub_is_refused_by_its_name(hub: Hub, tmp_path: Path) -> None:
    from transformers import T5Config

    T5Config().save_pretrained(tmp_path / "t5")
    with hub({"org/t5": tmp_path / "t5"}):
        assert "an encoder-decoder (t5); give a causal language model" in refusal("org/t5")


# --- what does not fit ---------------------------------------------------------------------------------------------


def test_a_tokenizer_with_words_that_the_model_lacks(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")  # 426 tokens, 418 of them in use
    tokenizer = make_tokenizer()
    tokenizer.add_tokens([f"<image{number}>" for number in range(10)], special_tokens=True)
    tokenizer.save_pretrained(folder)
    load(folder)  # nothing but special tokens is beyond the model: Gemma 3's image token is
    tokenizer.add_tokens([f"word{number}" for number in range(3)])
    tokenizer.save_pretrained(folder)
    text = refusal(folder)
    assert "3 tokens that the model, which has 426, lacks (first 428, 'word0')" in text
    assert "give it its own tokenizer" in text


def test_weights_of_another_kind_are_not_replaced_by_random_ones(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = make_folder(tmp_path / "m", "qwen3")
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if "_norm" not in name}
    assert len(weights) - len(kept) == 4
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    text = refusal(folder)
    assert "lack 4 weights of a Qwen3ForCausalLM (first model.layers.0.self_attn.k_norm.weight)" in text


def test_the_environment_is_left_as_it_was(tiny_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "DISABLE_SAFETENSORS_CONVERSION"
    monkeypatch.delenv(name, raising=False)
    load(tiny_folder("llama"))
    assert name not in os.environ
    monkeypatch.setenv(name, "no")
    load(tiny_folder("llama"))
    assert os.environ[name] == "no"


def test_weights_in_the_old_format_ask_nobody_to_convert_them(hub: Hub, tiny_folder: Folder, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = tmp_path / "m"
    shutil.copytree(tiny_folder("llama"), folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with hub({"org/m": folder}) as asked:
        load("org/m")
    assert not [path for path in asked if "discussions" in path or "commits" in path or "refs" in path]
    assert not [thread for thread in threading.enumerate() if "conversion" in thread.name]
