"""Cell files: what is written comes back, content names the file, and a broken one is refused in one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from pinch import cellfile
from pinch.config import (
    LanguagesConfig,
    MixtureConfig,
    OnFailure,
    PlanConfig,
    PlanShow,
    Show,
    Strategy,
    SweepConfig,
    TrainConfig,
    TrainerConfig,
)
from pinch.errors import UserError
from pinch.jobs import prepare


def settings(root: Path) -> TrainConfig:
    return TrainConfig(
        languages=LanguagesConfig(count=3, evaluation=["en", "cs"]),
        mixture=MixtureConfig(counts={"ar": 3, "fi": 4}, budget=20),
        trainer=TrainerConfig(strategy=Strategy.ddp, devices=2),
        sweep=SweepConfig(on_failure=OnFailure["stop"], timeout=2.5),
        root=str(root),
        seed=7,
    )


def test_settings_come_back_and_mean_the_same_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = prepare(settings(Path("runs")))
    path = cellfile.write(job)
    assert path.is_absolute()
    assert path.parent == tmp_path / "runs" / "study" / ".cells"
    back = cellfile.read(path)
    assert back.settings == job.settings
    assert (back.cell, back.folder) == (job.cell.id, tmp_path)
    assert prepare(back.settings).cell == job.cell


def test_joined_evaluation_languages_are_in_it_and_shows_are_not(tmp_path: Path) -> None:
    wish = replace(settings(tmp_path), plan=PlanConfig(show=PlanShow.files), show=Show.mixture)
    job = prepare(wish)
    joined = replace(job, prompts={**job.prompts, "fi": []})
    first, second = cellfile.write(job), cellfile.write(joined)
    assert first != second, "one does not overwrite the other"
    read = cellfile.read(second).settings
    assert read.languages.evaluation == ["en", "cs", "fi"]
    assert (read.plan.show, read.show) == (PlanShow.off, Show.none)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cell: [",
        "cell: x\nfolder: /\nsettings: {tuning: {method: lorra}}",
        "cell: x\nfolder: /\nsettings: {foo: 1}",
    ],
)
def test_a_broken_file_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "cell.yaml").write_text(text)
    with pytest.raises(UserError, match=r"cell.yaml: no cell file \(.*made by python train.py -m") as caught:
        cellfile.read(tmp_path / "cell.yaml")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="No such file"):
        cellfile.read(tmp_path / "none.yaml")
