"""Answers: greedy, independent of batches, in order, cut where they must be; and only from tunings that are active."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pinch.config import GenerationConfig, Template, TuningConfig
from pinch.errors import CellError
from pinch.generation import answers as ends
from pinch.generation import assert_adapter_active, attach, check_room, choosing, generate, hf
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
    original = ends.answers
    monkeypatch.setattr(
        hf, "answers", lambda frame, given, tokens, last: kept.extend(tokens) or original(frame, given, tokens, last)
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
    monkeypatch.setattr(hf, "_steps_by_hand", lambda net: False)
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
    longest = given[lengths.index(max(lengths))].id
    with pytest.raises(CellError, match=rf"2 of 3 prompts leave no room .* {loaded.context} tokens: {longest} \("):
        answers(loaded, given)


def test_prompts_and_their_room(tiny_loaded: Load) -> None:
    frame = tiny_loaded().frame
    given = [Prompt(f"p{n}", "en", "the river " * n) for n in range(1, 9)]
    sizes = [len(frame.prompt_ids(prompt.instruction)) for prompt in given]
    assert check_room(frame, sizes[-1] + 4, given, 4) == ""
    note = check_room(frame, sizes[-1] + 4, given, 4 + sizes[-1] - sizes[-2] + 1)
    assert note == (
        f"the answers to 2 of 8 prompts can get fewer than generation.max_new_tokens={5 + sizes[-1] - sizes[-2]} tokens, as "
        f"the context holds {sizes[-1] + 4}: p7 (en, {sizes[-2]}), p8 (en, {sizes[-1]})"
    )
    with pytest.raises(CellError) as refused:
        check_room(frame, sizes[2], given, 4)
    named = ", ".join(f"p{n} (en, {sizes[n - 1]})" for n in range(3, 8))
    assert str(refused.value) == (
        f"6 of 8 prompts leave no room for an answer in the context of {sizes[2]} tokens: {named}, ...; leave them out of "
        "data.prompts or raise model.context"
    )


# --- stops -----------------------------------------------------------------------------------------------------------


def scripted(monkeypatch: pytest.MonkeyPatch, loaded: Any, texts: list[str]) -> list[int]:
    """Has the model write these texts, one per prompt and in their order; gives a list with the steps it takes."""
    rows = [loaded.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    steps: list[int] = []

    def follow(self: Any, logits: Any, rows_left: Any, history: Any) -> Any:
        steps.append(len(rows_left))
        return torch.tensor([(rows[row] * 50)[len(steps) - 1] for row in rows_left])

    monkeypatch.setattr(choosing.Choosing, "next", follow)
    return steps


RUN_ON = "el río azul\n[1]\n¿Qué es luna?\n[2]\nluna\n[1]\n"


@pytest.mark.parametrize("by_hand", [True, False])
def test_an_answer_ends_before_the_next_instruction(
    tiny_loaded: Load, monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    loaded = tiny_loaded()
    if not by_hand:
        monkeypatch.setattr(hf, "_steps_by_hand", lambda net: False)
        monkeypatch.setattr(choosing.Choosing, "plain", False)
    given = [Prompt("a", "es", "¿Qué es río?"), Prompt("b", "es", "¿Qué es sol?")]
    marker = loaded.tokenizer("\n[1]\n", add_special_tokens=False)["input_ids"]
    assert len(marker) > 2, "spread over several tokens"
    steps = scripted(monkeypatch, loaded, [RUN_ON, "[1]\nluna"])
    first, second = answers(loaded, given, limit=100)
    before = loaded.tokenizer("el río azul", add_special_tokens=False)["input_ids"]
    assert first == Answer("a", "es", "el río azul", len(before), True)
    assert second == Answer("b", "es", "", 0, True), "the line break is the prompt's"
    assert len(steps) == len(before) + len(marker), "nothing is computed after the last row's stop"


def test_what_only_looks_like_a_marker_stays(tiny_loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny_loaded()
    text = "lista [1]\n[2]\n[1] luna\n"
    scripted(monkeypatch, loaded, [text])
    size = len(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
    (answer,) = answers(loaded, prompts(1), limit=size)
    assert (answer.text, answer.tokens, answer.complete) == (text.strip(), size, False)


def test_a_chat_frame_has_no_stops(tiny_loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny_loaded(template=Template.chat)
    scripted(monkeypatch, loaded, [RUN_ON])
    (answer,) = answers(loaded, prompts(1), limit=30)
    assert "[1]" in answer.text


# --- sampling --------------------------------------------------------------------------------------------------------

DRAWN: dict[str, Any] = {"do_sample": True, "temperature": 0.8, "top_p": 0.95, "repetition_penalty": 1.1}


def drawn(
    loaded: Any, given: list[Prompt] | None = None, seed: int = 3, batch: int = 8, **changes: Any
) -> list[Answer]:
    settings = GenerationConfig(max_new_tokens=12, batch_size=batch, **{**DRAWN, **changes})
    return generate(loaded, given or prompts(), settings, lambda number: None, seed)


def test_what_is_drawn_does_not_depend_on_the_batch(tuned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = drawn(tuned, batch=1)
    assert drawn(tuned, batch=8) == drawn(tuned, batch=64) == alone
    assert drawn(tuned, prompts()[::-1]) == alone[::-1]
    assert len({answer.tokens for answer in alone}) > 2, "uneven, so that rows are dropped from batches"
    monkeypatch.setattr(hf, "_steps_by_hand", lambda net: False)
    assert drawn(tuned) == alone, "the library's way gives the same"


def test_what_is_drawn_follows_from_seed_prompt_and_language(tuned: Any) -> None:
    same = [Prompt(name, code, "What is river?") for name in ("a", "b") for code in ("en", "es")]
    found = drawn(tuned, same, temperature=2.0)
    assert found == drawn(tuned, same, temperature=2.0)
    assert len({answer.text for answer in found}) == 4
    assert drawn(tuned, same, seed=4, temperature=2.0) != found
    assert [answer.text for answer in found] != [answer.text for answer in answers(tuned, same)]


def test_drawing_the_most_probable_is_greedy(tuned: Any) -> None:
    assert drawn(tuned, top_k=1, repetition_penalty=1.0) == answers(tuned)
    assert drawn(tuned, min_p=1.0, repetition_penalty=1.0) == answers(tuned)


@pytest.mark.parametrize("batch", [1, 24])
def test_a_penalty_counts_for_greedy_answers_too(tuned: Any, batch: int) -> None:
    settings = GenerationConfig(max_new_tokens=12, batch_size=batch, repetition_penalty=1.7)
    tuned = replace(
        tuned, pad=tuned.frame.end
    )  # as where there is no padding token: what only fills up is no repetition
    found = generate(tuned, prompts(), settings, lambda number: None)
    assert found != answers(tuned)
    for prompt, answer in zip(prompts(), found, strict=True):
        ids = torch.tensor([tuned.frame.prompt_ids(prompt.instruction)])
        options = {"max_new_tokens": 12, "do_sample": False, "repetition_penalty": 1.7, "pad_token_id": tuned.pad}
        row = tuned.model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, ids.shape[1] :]
        assert answer.text == tuned.tokenizer.decode(row, skip_special_tokens=True).strip()


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    """By the rules of transformers: of five tokens, temperature 0.5 squares the odds, top_k=4 drops the last, and top_p=0.96
    the first, which has 1/30 of what is left."""
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.05]]).log().repeat(4000, 1)
    settings = GenerationConfig(do_sample=True, temperature=0.5, top_k=4, top_p=0.96)
    given = [Prompt(str(number), "en", "?") for number in range(4000)]
    chosen = choosing.Choosing(settings, 0, given).next(logits, range(4000), logits[:, :0])
    shares = torch.bincount(chosen, minlength=5) / 4000
    expected = torch.tensor([0, 4, 9, 16, 0]) / 29
    assert torch.allclose(shares, expected, atol=0.025), shares
    assert shares[0] == shares[4] == 0


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
