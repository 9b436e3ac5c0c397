"""Presets of real models: complete entries, and each one's architecture from a folder to answers without any network."""

import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from pinch import models
from pinch.config import GenerationConfig, Method, ModelConfig, ModelSource, Packing, TuningConfig
from pinch.errors import CellError
from pinch.generation import assert_adapter_active, attach, generate
from pinch.records import Prompt
from pinch.tuning import TuningFacts, tune
from tiny import make_examples, make_folder

CONF = Path(__file__).resolve().parents[1] / "conf" / "model"

ARCHITECTURE = {
    "qwen3-0.6b": "qwen3",
    "qwen3-1.7b": "qwen3",
    "qwen3-4b": "qwen3",
    "qwen3-8b": "qwen3",
    "llama3.2-1b": "llama",
    "llama3.2-3b": "llama",
    "gemma3-1b": "gemma3_text",
    "gemma3-4b": "gemma3",
    "eurollm-1.7b": "llama",
    "eurollm-9b": "llama",
    "smollm3-3b": "smollm3",
    "salamandra-2b": "llama",
    "salamandra-7b": "llama",
    "bloom-1b7": "bloom",
    "bloom-7b1": "bloom",
    "mistral-7b": "mistral",
    "apertus-8b": "apertus",
    "tiny-aya-3b": "cohere2",
}
"""The model type in each preset's config.json."""

ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}
GATED = ATTENTION | {"gate_proj", "up_proj", "down_proj"}
ADAPTED = {
    "qwen3": GATED,
    "llama": GATED,
    "gemma3_text": GATED,
    "gemma3": GATED,
    "smollm3": GATED,
    "bloom": {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    "mistral": GATED,
    "apertus": GATED - {"gate_proj"},
    "cohere2": GATED,
}
"""What tuning.target=all-linear adapts in each architecture: every linear layer but the output's."""

WINDOWED = {"gemma3_text", "gemma3", "cohere2"}


def preset(name: str) -> ModelConfig:
    entry = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    return ModelConfig(**entry | {"source": ModelSource(entry["source"])})


def run(loaded: models.Loaded, folder: Path, **changes: Any) -> TuningFacts:
    settings = TuningConfig(**{"epochs": 1, "batch_size": 6, "warmup": 1, "rank": 4} | changes)
    given: dict[str, Any] = {"lr": 1e-2, "seed": 0, "logger": None, "progress": lambda step, steps: None}
    return tune(loaded, make_examples(6), settings, folder=folder, **given)


def answers(loaded: models.Loaded) -> list[str]:
    """Of three prompts of uneven length in one batch; each is what transformers' own generate says to it alone."""
    prompts = [Prompt(row.id, row.language, row.instruction, row.response) for row in make_examples(3)]
    found = generate(loaded, prompts, GenerationConfig(max_new_tokens=5, batch_size=3), lambda number: None)
    texts = [answer.text for answer in found]
    assert texts == [alone(loaded, prompt.instruction) for prompt in prompts]
    return texts


def alone(loaded: models.Loaded, instruction: str) -> str:
    ids = torch.tensor([loaded.frame.prompt_ids(instruction)])
    net: Any = loaded.model
    with torch.no_grad():
        made = net.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, do_sample=False, pad_token_id=loaded.pad
        )
    return loaded.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True).strip()


def logits(loaded: models.Loaded) -> torch.Tensor:
    with torch.no_grad():
        return loaded.model(torch.tensor([[5, 9, 30, 8, 77]])).logits


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE=1, and no connection of any kind."""
    from huggingface_hub import constants

    def refuse(*_: object) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = make_folder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return make


# --- the entries ---------------------------------------------------------------------------------------------------


def test_every_preset_has_an_architecture_that_is_tried() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == {*ARCHITECTURE, "embedded", "hf"}
    assert set(ARCHITECTURE.values()) == set(ADAPTED)


@pytest.mark.parametrize("name", ARCHITECTURE)
def test_an_entry_is_complete(name: str) -> None:
    entry = preset(name)
    assert entry.name == name
    assert entry.path is not None
    assert re.fullmatch(r"[\w-]+/[\w.-]+", entry.path)
    assert entry.context in {2048, 4096, 8192, 32768, 65536, 131072}
    assert re.search("licen[cs]e|Apache|RAIL|terms", entry.note, re.I), "the note names the licence"
    assert re.fullmatch("[0-9a-f]{40}", entry.revision or "") or (
        entry.revision == "main" and "no commit is pinned" in entry.note
    )


def test_the_documentation_lists_them() -> None:
    text = (CONF.parents[1] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.split("\n") if line.startswith("| `")]
    listed = {row[0]: tuple(row[1:5]) for row in rows}
    entries = {name: preset(name) for name in ARCHITECTURE}
    assert listed == {
        name: (entry.path, ARCHITECTURE[name], str(entry.revision)[:8], f"{entry.context:,}")
        for name, entry in entries.items()
    }


# --- the architectures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", {kind: name for name, kind in reversed(ARCHITECTURE.items())}.values())
def test_from_a_folder_to_answers(name: str, folder: Callable[[str], Path], tmp_path: Path, offline: None) -> None:
    kind = ARCHITECTURE[name]
    entry = replace(preset(name), path=str(folder(kind)), context=None)

    def load() -> models.Loaded:
        return models.load(entry, models.locate(entry, tmp_path, None), torch.device("cpu"))

    facts = run(load(), tmp_path / "lora")
    assert facts.packing == ("padded" if kind in {"bloom", *WINDOWED} else "packed")
    adapted = load_file(tmp_path / "lora" / "adapter" / "adapter_model.safetensors")
    assert {key.split(".")[-3] for key in adapted} == ADAPTED[kind]
    tuned = attach(load(), tmp_path / "lora")
    assert_adapter_active(tuned)
    assert torch.equal(logits(tuned), logits(attach(load(), tmp_path / "lora"))), "the same from two fresh loads"
    assert len(answers(tuned)) == 3
    run(load(), tmp_path / "full", method=Method.full)
    whole = attach(load(), tmp_path / "full")
    assert_adapter_active(whole)
    alone = replace(entry, path=str(tmp_path / "full" / "model"))
    again = models.load(alone, models.locate(alone, tmp_path, None), torch.device("cpu"))
    assert torch.equal(logits(again), logits(whole)), "the saved model is a folder like any other"
    assert answers(again) == answers(whole)


@pytest.mark.parametrize("kind", sorted(WINDOWED))
def test_windows_that_hold_the_longest_example_are_packed(kind: str, tmp_path: Path) -> None:
    made = make_folder(tmp_path / "m", kind, sliding_window=64)
    loaded = models.load(ModelConfig(source=ModelSource.hf, path=str(made)), str(made), torch.device("cpu"))
    packed = run(loaded, tmp_path / "packed", packing=Packing.packed)
    padded = run(loaded, tmp_path / "padded", packing=Packing.padded)
    assert (packed.packing, padded.packing) == ("packed", "padded")
    one, other = (load_file(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("packed", "padded"))
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], rtol=0, atol=1e-4, msg=name)


def test_bloom_cannot_be_packed(folder: Callable[[str], Path], tmp_path: Path) -> None:
    path = str(folder("bloom"))
    loaded = models.load(ModelConfig(source=ModelSource.hf, path=path), path, torch.device("cpu"))
    assert loaded.context == models.UNBOUNDED, "its config names no limit, the preset does"
    with pytest.raises(CellError, match="BloomForCausalLM does not let its attention be chosen; use"):
        run(loaded, tmp_path, packing=Packing.packed)


def test_of_a_model_that_sees_images_the_text_part_is_loaded(folder: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import Gemma3ForConditionalGeneration

    path = str(folder("gemma3"))
    loaded = models.load(ModelConfig(source=ModelSource.hf, path=path), path, torch.device("cpu"))
    whole: Any = Gemma3ForConditionalGeneration.from_pretrained(path, dtype=torch.float32).eval()
    assert type(loaded.model).__name__ == "Gemma3ForCausalLM"
    assert sum(weight.numel() for weight in loaded.model.parameters()) < sum(w.numel() for w in whole.parameters())
    with torch.no_grad():
        torch.testing.assert_close(logits(loaded), whole(torch.tensor([[5, 9, 30, 8, 77]])).logits)
    embedding: Any = loaded.model.get_input_embeddings()
    output: Any = loaded.model.get_output_embeddings()
    assert embedding.weight is output.weight, "tied as they were"
    assert not any(weight.is_meta for weight in [*loaded.model.parameters(), *loaded.model.buffers()])
