"""The flow of one cell, beyond what the doors show: how often the base model is loaded."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from pinch import cells, jobs, models, train
from pinch.config import DType, GenerationConfig, Method, ModelConfig, ModelSource, TuningConfig
from pinch.errors import CellError
from pinch.ranks import Ranks
from pinch.train import Shelf
from ranks_program import settings_of, write_corpus


@pytest.fixture
def root(tmp_path: Path, tiny_folder: Any) -> Path:
    """A folder for cells, with a tiny model and a corpus beside it."""
    (tmp_path / "model").symlink_to(tiny_folder("llama"))
    write_corpus(tmp_path)
    return tmp_path / "cells"


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[ModelConfig]:
    """The base models that were loaded."""
    made: list[ModelConfig] = []
    load = models.load

    def counting(model: ModelConfig, *rest: Any) -> Any:
        made.append(model)
        return load(model, *rest)

    monkeypatch.setattr(models, "load", counting)
    return made


def run(root: Path, shelf: Shelf | None, **changes: Any) -> jobs.Job:
    job = jobs.prepare(settings_of(root, **changes))
    assert train.run(job, lambda what, share: None, shelf=shelf)
    assert job.done()
    return job


def test_cells_of_one_model_load_it_once(root: Path, loads: list[ModelConfig]) -> None:
    shelf = Shelf()
    full = TuningConfig(method=Method.full, epochs=1, batch_size=8)
    for changes in ({}, {"seed": 1}, {"tuning": full}, {"tuning": TuningConfig(method=Method.none)}):
        run(root, shelf, **changes)
    assert len(loads) == 1
    half = ModelConfig(source=ModelSource.hf, path=str(root.parent / "model"), dtype=DType.bf16)
    run(root, shelf, model=half)
    assert len(loads) == 2
    run(root, shelf, seed=2)
    assert len(loads) == 3, "one model is kept, no more"


def test_a_cell_on_its_own_loads_its_model_once(root: Path, loads: list[ModelConfig]) -> None:
    run(root, None)
    assert len(loads) == 1
    run(root, None)
    assert len(loads) == 1, "a finished cell needs none"


def test_a_kept_model_gives_what_a_fresh_one_gives(root: Path) -> None:
    """Whatever was tuned and answered with it before."""
    shelf = Shelf()
    full = TuningConfig(method=Method.full, epochs=1, batch_size=8)
    run(root, shelf, tuning=full)
    kept = run(root, shelf)
    fresh = run(root.with_name("fresh"), None)
    for name in ("adapter/adapter_model.safetensors", "answers/en.jsonl", "answers/ru.jsonl"):
        assert (kept.cell.folder / name).read_bytes() == (fresh.cell.folder / name).read_bytes()


def test_weights_to_be_spread_wait_in_memory_in_the_precision_of_the_device(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(models, "device", lambda trainer: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    loaded = train.load(jobs.prepare(settings_of(root)), lambda what, share: None, Ranks(spread_on=gpu), Shelf())
    assert loaded.device == loaded.model.device == torch.device("cpu")
    assert loaded.model.dtype is torch.bfloat16


def test_a_held_cell_is_left_alone(root: Path, loads: list[ModelConfig]) -> None:
    job = jobs.prepare(settings_of(root))
    with cells.locked(job.cell) as mine:
        assert mine
        assert not train.run(job, lambda what, share: None)
    assert loads == []
    assert not job.cell.folder.exists()


def test_answers_are_kept_language_by_language(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that is interrupted between two languages goes on with the second."""
    job = jobs.prepare(settings_of(root))
    told: list[str] = []

    def stop(what: str, share: float) -> None:
        told.append(what)
        if what == "answering" and share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.run(job, stop)
    assert list(cells.answered(job.cell)) == ["en"]
    (first,) = (job.cell.folder / "answers").iterdir()
    written = first.stat().st_mtime_ns
    assert train.run(job, lambda what, share: None)
    assert sorted(cells.answered(job.cell)) == ["en", "es", "ru"]
    assert first.stat().st_mtime_ns == written


def add_prompt(root: Path, words: int) -> None:
    """One more prompt, in every language of the corpus, of at least so many tokens."""
    with (root.parent / "prompts.jsonl").open("a", encoding="utf-8") as file:
        for code in ("en", "es", "ru"):
            row = {"id": "long", "language": code, "instruction": " ".join(["7"] * words)}
            file.write(json.dumps(row) + "\n")


def test_prompts_without_room_are_refused_before_tuning(root: Path) -> None:
    add_prompt(root, 256)
    job = jobs.prepare(settings_of(root))
    with pytest.raises(CellError, match=r"3 of 21 prompts leave no room .* of 256 tokens: long \(en, "):
        train.run(job, lambda what, share: None)
    assert not (job.cell.folder / "train_log.csv").exists()
    assert cells.read_status(job.cell.folder)["tune"]["state"] == "failed"


def test_prompts_with_little_room_are_told_of(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    add_prompt(root, 100)
    untuned = TuningConfig(method=Method.none)
    size = ModelConfig(source=ModelSource.hf, path=str(root.parent / "model"), context=210)
    with caplog.at_level(logging.WARNING, logger="pinch"):
        run(root, None, model=size, tuning=untuned, generation=GenerationConfig(max_new_tokens=12))
    assert "the answers to 3 of 21 prompts can get fewer than generation.max_new_tokens=12 tokens" in caplog.text


def test_the_status_tells_of_the_engine_and_of_answers_that_were_cut_off(root: Path) -> None:
    job = run(root, None, generation=GenerationConfig(max_new_tokens=1))
    status = cells.read_status(job.cell.folder)["generate"]
    assert status["engine"] == dict.fromkeys(("en", "es", "ru"), "hf")
    cut = {
        code: sum(not json.loads(line)["complete"] for line in job.cell.answers_path(code).read_text().splitlines())
        for code in job.prompts
    }
    assert status["incomplete"] == cut
    assert sum(cut.values()) > 0


def test_sampled_answers_follow_from_the_cell_s_seed(root: Path) -> None:
    untuned = TuningConfig(method=Method.none)
    drawing = GenerationConfig(max_new_tokens=6, do_sample=True, temperature=2.0)
    first = run(root, None, tuning=untuned, generation=drawing)
    again = run(root.with_name("again"), None, tuning=untuned, generation=drawing)
    other = run(root, None, tuning=untuned, generation=drawing, seed=1)
    texts = [job.cell.answers_path("en").read_bytes() for job in (first, again, other)]
    assert texts[0] == texts[1] != texts[2]
