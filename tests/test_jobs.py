"""Jobs: what settings mean, what of it is still to do, and that many are prepared for the price of one."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pinch import jobs, models
from pinch.config import (
    DataConfig,
    DataSource,
    LanguagesConfig,
    MixtureConfig,
    ModelConfig,
    ModelSource,
    TrainConfig,
)
from pinch.errors import UserError
from pinch.jobs import prepare
from small_world import ASKED, finish, settings


def asked_in(tmp_path: Path, *codes: str) -> LanguagesConfig:
    return replace(settings(tmp_path).languages, evaluation=list(codes))


def test_a_new_job_has_everything_to_do(tmp_path: Path) -> None:
    job = jobs.prepare(settings(tmp_path))
    assert set(job.unanswered()) == set(ASKED)
    assert not job.tuned()
    assert not job.done()
    assert jobs.prepare(settings(tmp_path, ())).tuned(), "there is nothing to tune in the untuned model"


def test_a_job_is_done_when_all_is_answered(tmp_path: Path) -> None:
    job = jobs.prepare(settings(tmp_path))
    finish(job, ("en", "fi"))
    assert job.tuned()
    assert set(job.unanswered()) == {"ru", "sw", "et"}
    finish(job)
    assert job.done()


def test_a_job_is_not_tuned_without_its_weights(tmp_path: Path) -> None:
    job = jobs.prepare(settings(tmp_path))
    finish(job, ("en",))
    shutil.rmtree(job.cell.folder / "adapter")
    assert not job.tuned(), "whatever the status says"
    finish(job)
    shutil.rmtree(job.cell.folder / "adapter")
    assert job.done(), "weights that were removed after all was answered are not made again"


def test_answers_to_other_prompts_are_no_answers(tmp_path: Path) -> None:
    wish = settings(tmp_path)
    finish(jobs.prepare(wish))
    fewer = jobs.prepare(replace(wish, data=replace(wish.data, max_prompts=2)))
    assert set(fewer.unanswered()) == set(ASKED)
    assert fewer.tuned()


def test_settings_of_one_meaning_are_one_job_in_the_order_asked(tmp_path: Path) -> None:
    found = jobs.prepare_all(
        [
            settings(tmp_path, ("en", "fi"), mixture=MixtureConfig(fraction=0.5)),
            settings(tmp_path, ("en", "fi"), mixture=MixtureConfig(fraction=0.0)),
            settings(tmp_path),
            settings(tmp_path, seed=1),
        ]
    )
    assert [(job.cell.axes.languages, job.settings.seed) for job in found] == [
        (("en", "fi"), 0), (("en",), 0), (("en",), 1),
    ]  # fmt: skip


def test_evaluation_languages_of_duplicates_are_joined(tmp_path: Path) -> None:
    wishes = [settings(tmp_path, languages=asked_in(tmp_path, *codes)) for codes in (("en", "fi"), ("fi", "ru"))]
    [job] = jobs.prepare_all(wishes)
    assert list(job.prompts) == ["en", "fi", "ru"]
    finish(job, ("en", "fi"))
    assert set(job.unanswered()) == {"ru"}
    whole = jobs.prepare(settings(tmp_path))
    assert job.digests == {code: whole.digests[code] for code in ("en", "fi", "ru")}


def test_a_cell_in_two_workspaces_is_two_jobs(tmp_path: Path) -> None:
    found = jobs.prepare_all([settings(tmp_path, workspace=name) for name in ("one", "two", "one")])
    assert [job.cell.folder.parent.name for job in found] == ["one", "two"]
    assert found[0].cell.id == found[1].cell.id


def test_what_cannot_be_is_said_with_its_place(tmp_path: Path) -> None:
    good, bad = settings(tmp_path), settings(tmp_path, mixture=MixtureConfig(budget=21))
    with pytest.raises(UserError, match=r"^cell 2 of 3: mixture\.budget=21 is larger than the corpus of 20 examples"):
        jobs.prepare_all([good, bad, good])
    with pytest.raises(UserError, match=r"^mixture\.budget=21"):
        jobs.prepare_all([bad])


def test_many_jobs_share_what_is_expensive(tmp_path: Path) -> None:
    one, other = jobs.prepare_all([settings(tmp_path, seed=seed) for seed in (0, 1)])
    assert one.corpus is other.corpus
    assert one.prompts["en"] is other.prompts["en"]


def test_a_model_folder_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    model = ModelConfig(source=ModelSource.hf, path=str(folder))
    read: list[str] = []
    content = models._content
    monkeypatch.setattr(models, "_content", lambda path: read.append(path.name) or content(path))
    first = [jobs.prepare(settings(tmp_path, model=model, seed=seed)).cell for seed in range(3)]
    assert read == ["config.json"]
    (folder / "config.json").write_text("[]")
    assert jobs.prepare(settings(tmp_path, model=model)).cell.id != first[0].id


def test_neither_jobs_nor_plans_need_torch() -> None:
    code = (
        "import sys\n"
        "from pinch import jobs, plan\n"
        "from pinch.config import TrainConfig, Wish\n"
        "plan.to_json(plan.make([Wish([], TrainConfig(root='/nowhere'))]))\n"
        "heavy = {'torch', 'transformers', 'pytorch_lightning', 'peft', 'wandb', 'matplotlib', 'datasets'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_a_corpus_is_its_content_not_its_place(tmp_path: Path) -> None:
    def cell(folder: str, response: str = "Hallo") -> str:
        place = tmp_path / folder
        place.mkdir()
        rows = [{"id": "1", "language": "en", "instruction": "Say hello", "response": "Hello"}]
        rows += [{"id": "1", "language": "de", "instruction": "Sag hallo", "response": response}]
        (place / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        prompt = {"id": "2", "language": "en", "instruction": "Say bye"}
        (place / "prompts.jsonl").write_text(json.dumps(prompt) + "\n")
        data = DataConfig(
            source=DataSource.jsonl, corpus=str(place / "corpus.jsonl"), prompts=str(place / "prompts.jsonl")
        )
        return prepare(TrainConfig(data=data, root=str(tmp_path))).cell.id

    assert cell("here") == cell("there")
    assert cell("changed", response="Hallo!") != cell("again")
