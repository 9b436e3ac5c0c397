"""The embedded world: parallel, deterministic, held out by concept; the base model: built once, loadable, reproducible."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from pathlib import Path

import pytest

from pinch.embedded import base, documents, world


def rows_by_id(rows: list[world.Row]) -> dict[str, dict[str, world.Row]]:
    """id -> language -> row; a repeated (id, language) fails."""
    table: dict[str, dict[str, world.Row]] = {}
    for row in rows:
        assert row[1] not in table.setdefault(row[0], {}), row
        table[row[0]][row[1]] = row
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base.ensure(tmp_path_factory.mktemp("cache"), recipe=base.TINY)


def test_every_id_has_every_language() -> None:
    corpus, prompts = rows_by_id(world.corpus()), rows_by_id(world.prompts())
    assert len(corpus) >= 4640
    assert len(prompts) >= 200
    assert all(set(row) == set(world.LANGUAGES) for row in [*corpus.values(), *prompts.values()])
    assert all(i.startswith("c-") for i in corpus)
    assert all(i.startswith("p-") for i in prompts)


def test_the_same_content_in_every_language() -> None:
    row = rows_by_id(world.corpus())["c-next_day-mon-0"]
    assert row["en"][2:] == ("Which day comes after « Monday »?", "Tuesday")
    assert row["fi"][3] == "tiistai"
    assert row["zh-Hans"][3] == "星期二"


def test_deterministic() -> None:
    before = world.fingerprint()
    for cached in (world.data, world.items, world.held_out, world.corpus, world.prompts, world._named):
        cached.cache_clear()
    assert world.fingerprint() == before


def test_prompts_are_held_out_by_concept_in_every_language() -> None:
    instructions = {(row[1], row[2]) for row in world.corpus()} | {("", row[2]) for row in world.corpus()}
    assert not [row for row in world.prompts() if ("", row[2]) in instructions]
    concepts = {
        item.concept for item in world.items() if f"p-{item.task}-{item.key}" in {r[0] for r in world.prompts()}
    }
    assert concepts == world.held_out()
    trained = {row[0] for row in world.corpus()}
    for item in world.items():
        in_corpus = any(f"c-{item.task}-{item.key}-{n}" in trained for n in range(world.phrasings(item.task)))
        assert in_corpus != (item.concept in concepts), item


def test_a_sum_is_held_out_in_both_orders() -> None:
    by_key = {item.key: item for item in world.items() if item.task == "sum"}
    assert by_key["3+4"].concept == by_key["4+3"].concept


def test_every_task_is_asked_and_trained() -> None:
    asked = Counter(row[0].split("-")[1] for row in world.prompts() if row[1] == "en")
    assert asked == Counter(world.HELD_OUT)
    assert {row[0].split("-")[1] for row in world.corpus()} == set(world.HELD_OUT)


def test_an_instruction_has_one_answer() -> None:
    answers: dict[tuple[str, str], set[str]] = {}
    for _, language, instruction, answer in [*world.corpus(), *world.prompts()]:
        answers.setdefault((language, instruction), set()).add(answer)
    assert [key for key, found in answers.items() if len(found) > 1] == []
    assert not any("{" in instruction for _, instruction in answers)


def test_the_lexicon_identifies_every_reference() -> None:
    lexicon = world.lexicon()
    for row in world.prompts():
        found = {language: _covered(row[3], language, lexicon[language]) for language in world.LANGUAGES}
        assert found[row[1]] == max(found.values()) == 1.0, row


def _covered(text: str, language: str, vocabulary: frozenset[str]) -> float:
    words = world.words(text, language)
    return sum(word in vocabulary for word in words) / len(words)


def test_documents_never_show_chat_markers_nor_unread_items() -> None:
    texts = [" ".join(parts) for parts in documents.documents(documents.Mix(documents=6000))]
    assert texts == [" ".join(parts) for parts in documents.documents(documents.Mix(documents=6000))]
    assert not any(marker in text for text in texts for marker in (base.USER, base.ASSISTANT, base.EOS, base.PAD))
    dates = {row[0].removeprefix("p-month_of_date-") for row in world.prompts() if "month_of_date" in row[0]}
    assert len(dates) == world.HELD_OUT["month_of_date"]
    assert not [text for text in texts if any(date in text for date in dates)]
    assert any("2012-" in text for text in texts)  # dates are read, only not these


def test_quiz_answers_keep_the_language_unless_flash_cards_are_asked_for() -> None:
    plain = documents.Mix(documents=3000, quiz=1.0, across=0.0)
    assert all(_said_in_its_language(*parts) for parts in documents.documents(plain))
    flash = documents.Mix(documents=3000, quiz=1.0, across=1.0, across_english=1.0)
    english = {world.say(item.answer, "en") for item in world.items()}
    assert all(answer in english for _, answer in documents.documents(flash))


def _said_in_its_language(question: str, answer: str) -> bool:
    asked = {text for separator in documents.SEPARATORS for text in [question.removesuffix(separator)]}
    return any((text, answer) in _quiz() for text in asked)


@functools.cache
def _quiz() -> set[tuple[str, str]]:
    """Every question of the world, held out or not, with its answer in the same language."""
    return {
        (world.question(item, language, phrasing), world.say(item.answer, language))
        for item in world.items()
        for language in world.LANGUAGES
        for phrasing in range(world.phrasings(item.task))
    }


def test_the_folder_is_an_ordinary_chat_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    chat = [{"role": "user", "content": "What is 1 + 2?"}, {"role": "assistant", "content": "three"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == "<u> What is 1 + 2? <a> three <eos>"
    prompt = tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
    assert prompt == "<u> What is 1 + 2? <a>"
    ids = tokenizer(prompt)["input_ids"]
    whole = tokenizer("<u> What is 1 + 2? <a> three <eos>")["input_ids"]
    assert whole[: len(ids)] == ids
    assert whole[-1] == tokenizer.eos_token_id
    assert {tokenizer.pad_token_id, tokenizer.eos_token_id} < set(tokenizer.all_special_ids)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id
    answer = model.generate(torch.tensor([ids]), max_new_tokens=3, do_sample=False)
    assert answer.shape[1] > len(ids)


def test_any_answer_survives_the_tokenizer(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in sorted({row[3] for row in world.prompts()}):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
        assert tokenizer(text)["input_ids"] == tokenizer(f" {text} ")["input_ids"]


def test_built_once_and_found_again(folder: Path) -> None:
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert folder.name == f"embedded-{base.recipe_hash(base.TINY)}"
    assert base.ensure(folder.parent, recipe=base.TINY) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_two_builds_give_identical_files(folder: Path, tmp_path: Path) -> None:
    import torch

    threads, state = torch.get_num_threads(), torch.get_rng_state()
    seen: list[float] = []
    killed = tmp_path / f"embedded-{base.recipe_hash(base.TINY)}.x1.unfinished"
    killed.mkdir()
    again = base.ensure(tmp_path, lambda share, text: seen.append(share), base.TINY)
    assert not killed.exists()
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_pre_training_learns(tmp_path: Path) -> None:
    uniform = math.log(base.TINY.vocabulary)
    assert base.build(tmp_path, base.TINY, lambda share, text: None) < uniform - 0.3


def test_the_hash_follows_the_recipe() -> None:
    assert base.recipe_hash(base.TINY) != base.recipe_hash()
    assert base.recipe_hash(dataclasses.replace(base.DEFAULT, seed=1)) != base.recipe_hash()


def test_in_place_loss_is_the_cross_entropy() -> None:
    import torch

    from pinch.embedded.pretrain import _InPlaceCrossEntropy

    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(700, 8, generator=generator, requires_grad=True)
    embedding = torch.randn(11, 8, generator=generator, requires_grad=True)
    target = torch.randint(0, 11, (700,), generator=generator)
    expected = torch.nn.functional.cross_entropy(hidden @ embedding.t(), target)
    wanted = torch.autograd.grad(expected, (hidden, embedding))
    loss = _InPlaceCrossEntropy.apply(hidden, embedding, target)
    got = torch.autograd.grad(loss, (hidden, embedding))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(got, wanted)


def test_muon_moves_along_an_orthogonal_matrix() -> None:
    import torch

    from pinch.embedded.pretrain import Muon

    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(6, 4, generator=generator), torch.randn(4, 6, generator=generator)]
    matrices = [m.clone().requires_grad_() for m in start]
    for matrix in matrices:
        matrix.grad = torch.randn(matrix.shape, generator=generator)
    [muon] = Muon.by_shape(matrices)  # one is the other's shape transposed: one batch
    muon.decay, muon.iterations = 0.0, 8
    muon.step(0.1)
    for before, after in zip(start, matrices, strict=True):
        singular = torch.linalg.svdvals((before - after.detach()) / (0.1 * 0.2 * 6**0.5))
        assert singular.min() > 0.6
        assert singular.max() < 1.3
        assert (after.grad * (before - after)).sum() > 0  # downhill
