"""Answers: greedy, independent of batches, in order, cut where they must be; and only from tunings that are active."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pinch import generation
from pinch.config import GenerationConfig, Template, TuningConfig
from pinch.errors import CellError
from pinch.generation import assert_adapter_active, attach, generate
from pinch.records import Answer, Prompt
from pinch.tuning import tune
from tiny import make_examples

Load = Callable[..., Any]


def prompts(count: int = 24) -> list[Prompt]:
    return [Prompt(row.id, row.language, row.instruction, row.response) for row in make_examples(count)]


def answers(loaded: Any, given: list[Prompt] | None = None, limit: int = 12, batch: int = 8) -> list[Answer]:
    settings = GenerationConfig(max_new_tokens=limit, batch_size=batch)
    return generate(loaded, given if given is not None else prompts(), settings, lambda number: None)


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cell")


@pytest.fixture
def tuned(tiny_loaded: Load, cell: Path) -> Any:
    """A llama that has learned when to stop, so that answers have uneven lengths."""
    loaded = tiny_loaded()
    if not (cell / "adapter").exists():
        settings = TuningConfig(epochs=12, batch_size=8, warmup=2)
        tune(loaded, make_examples(24), settings, lr=1e-2, seed=0, folder=cell, logger=None, progress=lambda *now: None)
    return attach(loaded, cell)


def library(loaded: Any, instruction: str, limit: int) -> list[int]:
    """What transformers' own generate says, one prompt alone."""
    ids = torch.tensor([loaded.frame.prompt_ids(instruction)])
    made = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False, pad_token_id=loaded.pad
    )
    row: list[int] = made[0, ids.shape[1] :].tolist()
    return row


@pytest.mark.parametrize("batch", [1, 5, 24])
def test_the_tokens_are_those_of_generate(tuned: Any, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[list[int]] = []
    original = generation._answers
    monkeypatch.setattr(
        generation, "_answers", lambda loaded, given, tokens: kept.extend(tokens) or original(loaded, given, tokens)
    )
    found = answers(tuned, batch=batch)
    assert kept == [library(tuned, prompt.instruction, 12) for prompt in prompts()]
    lengths = {answer.tokens for answer in found}
    assert len(lengths) > 2, "uneven, so that rows are dropped from batches"
    assert any(answer.complete for answer in found)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gpt2", "mistral"])
def test_untuned_models_of_every_kind_answer_as_generate_does(tiny_loaded: Load, kind: str) -> None:
    loaded = tiny_loaded(kind)
    given = prompts(6)
    for answer, prompt in zip(answers(loaded, given, 6), given, strict=True):
        row = library(loaded, prompt.instruction, 6)
        body = row[:-1] if row[-1] == loaded.frame.end else row
        assert answer.text == loaded.tokenizer.decode(body, skip_special_tokens=True).strip()
        assert answer.complete == (row[-1] == loaded.frame.end)


def test_the_library_s_way_gives_the_same(tuned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = answers(tuned)
    monkeypatch.setattr(generation, "_steps_by_hand", lambda net: False)
    assert answers(tuned) == by_hand


def test_answers_come_in_the_order_of_the_prompts(tuned: Any) -> None:
    given = prompts()
    seen: list[int] = []
    found = generate(tuned, given, GenerationConfig(max_new_tokens=12, batch_size=7), seen.append)
    assert [(answer.id, answer.language) for answer in found] == [(prompt.id, prompt.language) for prompt in given]
    assert answers(tuned, given[::-1]) == found[::-1]
    assert seen == [7, 14, 21, 24]
    assert answers(tuned, []) == []


def test_special_tokens_and_ends(tuned: Any) -> None:
    found = answers(tuned)
    assert not any("<" in answer.text or answer.text != answer.text.strip() for answer in found)
    short = answers(tuned, limit=1)
    for whole, cut in zip(found, short, strict=True):
        assert (cut.tokens, cut.complete) == ((1, False) if whole.tokens else (0, True))


def test_the_chat_frame_s_end_ends(tiny_loaded: Load, tmp_path: Path) -> None:
    loaded = tiny_loaded(template=Template.chat)
    settings = TuningConfig(epochs=12, batch_size=8, warmup=2)
    tune(loaded, make_examples(8), settings, lr=1e-2, seed=0, folder=tmp_path, logger=None, progress=lambda *now: None)
    found = answers(attach(loaded, tmp_path), prompts(8))
    assert any(answer.complete for answer in found)
    assert not any("<|end|>" in answer.text for answer in found)


def test_the_context_ends_answers_and_refuses_long_prompts(tiny_loaded: Load) -> None:
    loaded = tiny_loaded()
    given = prompts(3)
    lengths = [len(loaded.frame.prompt_ids(prompt.instruction)) for prompt in given]
    loaded.context = max(lengths) + 2
    found = answers(loaded, given, limit=50)
    for answer, length in zip(found, lengths, strict=True):
        assert answer.tokens <= loaded.context - length
    loaded.context = max(lengths)
    with pytest.raises(CellError, match=rf"prompt {given[lengths.index(max(lengths))].id} \(.*{loaded.context} tokens"):
        answers(loaded, given)


def test_a_base_model_serves_several_cells(tiny_loaded: Load, cell: Path, tuned: Any) -> None:
    loaded = tuned.base
    untuned = answers(loaded)
    assert answers(attach(loaded, cell)) == answers(attach(attach(loaded, cell), cell)) == answers(tuned)
    assert answers(loaded) == untuned, "attaching leaves the base as it is"
    assert not any("lora" in name for name, _ in loaded.model.named_parameters())


def test_attaching_draws_no_random_numbers(tuned: Any, cell: Path) -> None:
    state = torch.get_rng_state()
    attach(tuned, cell)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_adapter_without_effect_is_refused(tuned: Any, cell: Path, tmp_path: Path) -> None:
    first, second = assert_adapter_active(tuned)
    assert first != second
    file = "adapter_model.safetensors"
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text((cell / "adapter" / "adapter_config.json").read_text())
    tensors = load_file(cell / "adapter" / file)
    blank = {name: tensor * (0 if "lora_B" in name else 1) for name, tensor in tensors.items()}
    save_file(blank, tmp_path / "adapter" / file, {"format": "pt"})
    with pytest.raises(CellError, match="not active"):
        assert_adapter_active(attach(tuned, tmp_path))
    with pytest.raises(CellError, match="no tuning is attached"):
        assert_adapter_active(tuned.base)


def test_what_cannot_be_attached_is_said(tuned: Any, cell: Path, tmp_path: Path) -> None:
    with pytest.raises(CellError, match="neither adapter/ nor model/"):
        attach(tuned, tmp_path)
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(CellError, match="does not fit the model"):
        attach(tuned, tmp_path)
    (tmp_path / "adapter" / "adapter_config.json").write_text((cell / "adapter" / "adapter_config.json").read_text())
    tensors = load_file(cell / "adapter" / "adapter_model.safetensors")
    tensors.popitem()
    save_file(tensors, tmp_path / "adapter" / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(CellError, match="missing adapter keys"):
        attach(tuned, tmp_path)
