"""Cells: what changes an id and what does not, and the folder's files."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from pinch import cells, mixture
from pinch.config import (
    Accelerator,
    GenerationConfig,
    LanguagesConfig,
    Method,
    MixtureConfig,
    ModelConfig,
    Packing,
    TrackingConfig,
    TrackingMode,
    TrainConfig,
    TrainerConfig,
    TuningConfig,
)
from pinch.errors import UserError
from pinch.records import Prompt

IDS = [f"c-{number}" for number in range(50)]


def make(tmp_path: Path = Path("multirun"), corpus: str = "corpus", model: str = "model", **changes: Any) -> cells.Cell:
    settings = TrainConfig(root=str(tmp_path))
    settings = dataclasses.replace(settings, **changes)
    languages, wish = settings.languages, settings.mixture
    tuning = mixture.add_languages(languages.base, languages.pool, languages.count, languages.permutation)
    asked = mixture.multilingual_count(len(IDS), wish.fraction, wish.count)
    plan = mixture.plan(IDS, languages.base, tuning, budget=len(IDS), asked=asked, seed=settings.seed)
    if settings.tuning.method is Method.none:
        plan = mixture.Plan({}, 0, ())
    return cells.define(settings, model, corpus, plan.languages, plan.asked)


FOUR = LanguagesConfig(count=4)


def test_the_same_meaning_is_the_same_cell() -> None:
    assert make(languages=FOUR, mixture=MixtureConfig(fraction=0.0)).id == make().id
    assert make(mixture=MixtureConfig(fraction=0.3)).id == make().id
    assert (
        make(languages=FOUR, mixture=MixtureConfig(count=5)).id
        == make(languages=FOUR, mixture=MixtureConfig(fraction=0.1)).id
    )
    lr = ModelConfig().lora_lr
    assert make(tuning=TuningConfig(lr=lr)).id == make().id


@pytest.mark.parametrize(
    "changes",
    [
        {"trainer": TrainerConfig(accelerator=Accelerator.cpu, threads=2)},
        {"tuning": TuningConfig(micro_batch=4, packing=Packing.padded, gradient_checkpointing=True, name="mine")},
        {"tracking": TrackingConfig(mode=TrackingMode.off)},
        {"generation": GenerationConfig(batch_size=7)},
        {"languages": LanguagesConfig(evaluation=["en"])},
        {"workspace": "other"},
        {"cache": "/elsewhere"},
    ],
)
def test_what_changes_no_id(changes: dict[str, Any]) -> None:
    assert make(**changes).id == make().id


@pytest.mark.parametrize(
    "changes",
    [
        {"corpus": "other"},
        {"model": "other"},
        {"seed": 1},
        {"tuning": TuningConfig(lr=1e-3)},
        {"tuning": TuningConfig(rank=8)},
        {"tuning": TuningConfig(batch_size=16)},
        {"tuning": TuningConfig(method=Method.full)},
        {"generation": GenerationConfig(max_new_tokens=8)},
        {"languages": LanguagesConfig(base="fi")},
        {"languages": FOUR},
    ],
)
def test_what_changes_the_id(changes: dict[str, Any]) -> None:
    assert make(**changes).id != make().id


def test_full_tuning_has_no_rank_in_its_identity() -> None:
    full = TuningConfig(method=Method.full)
    assert make(tuning=full).id == make(tuning=dataclasses.replace(full, rank=99)).id


def test_families_hold_what_may_be_compared() -> None:
    assert make().family == make(languages=FOUR).family == make(seed=5).family
    assert make().family != make(tuning=TuningConfig(lr=1e-3)).family
    untuned = make(tuning=TuningConfig(method=Method.none))
    assert untuned.untuned
    assert untuned.root_key == make().root_key
    assert untuned.id == make(tuning=TuningConfig(method=Method.none), seed=3, languages=FOUR).id


def test_axes_say_what_was_realised() -> None:
    axes = make(languages=FOUR, mixture=MixtureConfig(fraction=0.2)).axes
    assert (axes.n_languages, axes.budget, axes.fraction) == (4, 50, 0.2)
    assert axes.languages[0] == "en"
    assert sum(axes.counts.values()) == 50
    assert axes.other_share == pytest.approx(1 - axes.counts["en"] / 50)
    assert make().axes.fraction == 0


def test_a_cell_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    cell = make(tmp_path, languages=FOUR)
    cells.write_cell(cell, TrainConfig(), {"pinch": "0"})
    assert cells.read_cells(cell.folder.parent) == [cell]
    cells.write_cell(cell, TrainConfig(), {"pinch": "later"})
    assert "later" not in (cell.folder / "cell.yaml").read_text()


def test_no_cells_and_broken_cells(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no cells there"):
        cells.read_cells(tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "cell.yaml").write_text("id: [")
    with pytest.raises(UserError, match=r"broken.cell.yaml: cannot be read"):
        cells.read_cells(tmp_path)


def test_prompts_and_lexicon_are_kept_by_content(tmp_path: Path) -> None:
    prompts = [Prompt("p1", "en", "Say hello", "Hello"), Prompt("p2", "en", "Say bye")]
    name = cells.store_prompts(tmp_path, "en", prompts)
    assert cells.load_prompts(tmp_path, "en", name) == prompts
    assert cells.store_prompts(tmp_path, "en", prompts[:1]) != name
    lexicon = {"en": frozenset({"hello", "bye"})}
    assert cells.load_lexicon(tmp_path, cells.store_lexicon(tmp_path, lexicon)) == lexicon
    assert cells.store_lexicon(tmp_path, {}) is None
    assert cells.load_lexicon(tmp_path, None) == {}
