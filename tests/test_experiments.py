"""Experiments: one word is the cells that the paper has, each once; options change them, mistakes are one line."""

import json
import math
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.initialize import initialize_config_dir
from hydra.types import RunMode
from omegaconf import OmegaConf

from pinch import experiments
from pinch.cells import plain
from pinch.composition import wishes
from pinch.config import SCHEMAS, ExperimentConfig, PartConfig, TrainConfig, TunedOn
from pinch.doors import arguments
from pinch.errors import UserError
from pinch.jobs import Job, prepare_all
from pinch.languages import SIX, SLAVIC, TWELVE

ROOT = Path(__file__).resolve().parents[1]
PRESETS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))

Cells = Callable[..., list[Job]]


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    """The distinct cells of an experiment in the embedded world: name and further words of the command line in."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_schema", node=schema)
    root = tmp_path_factory.mktemp("runs")

    @cache
    def prepared(name: str, *words: str) -> list[Job]:
        own = [f"experiment={name}", "mixture.budget=4640", f"root={root}", *words]
        config = loader.load_configuration("train", own, run_mode=RunMode.MULTIRUN, from_shell=False)
        made = wishes(loader, config, experiments.jobs(config.experiment, [own]))
        assert not [wish.error for wish in made if wish.error]
        return prepare_all([wish.settings for wish in made if wish.settings])

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        yield prepared


def sets(jobs: list[Job], number: int) -> set[frozenset[str]]:
    """The sets of so many tuning languages."""
    return {frozenset(job.cell.axes.languages) for job in jobs if job.cell.axes.n_languages == number}


CURVE = 10 + 1
"""P = 10, 20, ..., 100, and 40 examples; P = 0 is the model of English alone."""
ADDED = 2 + 3 + 3 + 3
"""Sets of 2, 3, 4, 5 languages in three orders, the last two of which both begin with Italian; six are one set."""
REFERENCES = 12 + 1
"""The monolingual models and the untuned one."""
COUNTED = {
    "monolingual": REFERENCES,
    "versus_base": REFERENCES,
    "pinch_twelve": REFERENCES + CURVE,
    "pinch_six": REFERENCES + CURVE,
    "language_count": REFERENCES + ADDED + 1,
    "pairs": REFERENCES + 6,
    "slavic": 7 + 1,
    "pretraining_share": REFERENCES,
    "paper": REFERENCES + 5 + 2 * CURVE + ADDED + 6,
}
"""By hand: of the Slavic seven, Russian and Czech are of the twelve; six added languages are the six at P = 100."""


@pytest.mark.parametrize("name", PRESETS)
def test_an_experiment_is_as_many_cells_as_counted_by_hand(name: str, cells: Cells) -> None:
    assert len(cells(name)) == COUNTED[name]


def test_the_paper_is_all_of_them_with_their_cells_once(cells: Cells) -> None:
    every = {job.cell.id for name in PRESETS if name != "paper" for job in cells(name)}
    paper = cells("paper")
    assert {job.cell.id for job in paper} == every
    assert len(paper) == 57


def test_seeds_multiply_all_but_the_untuned_model(cells: Cells) -> None:
    assert len(cells("pinch_six", "seed=1")) == COUNTED["pinch_six"]
    made = experiments.jobs(OmegaConf.structured(PAIRS), [["seed=0"], ["seed=1"]])
    assert [words[-1] for words in made] == 6 * ["seed=0"] + 6 * ["seed=1"], "a whole study at seed 0 comes first"


PAIRS = ExperimentConfig(parts={"pairs": PartConfig(TunedOn.pairs, list(TWELVE))})


def test_forty_examples_over_twelve_and_six(cells: Cells) -> None:
    [twelve] = [job for job in cells("pinch_twelve") if job.plan.asked == 40]
    assert Counter(twelve.plan.counts().values()) == {4600: 1, 4: 7, 3: 4}
    [six] = [job for job in cells("pinch_six") if job.plan.asked == 40]
    assert six.plan.counts() == {"en": 4600} | dict.fromkeys(set(SIX) - {"en"}, 8)


def test_every_score_has_its_references(cells: Cells) -> None:
    for name in PRESETS:
        jobs = cells(name)
        alone = {job.cell.axes.languages[0]: job for job in jobs if job.cell.axes.n_languages == 1}
        [untuned] = [job for job in jobs if job.cell.untuned]
        for job in jobs:
            assert job.prompts.keys() <= alone.keys()
            assert job.prompts.keys() <= untuned.prompts.keys()
            assert all(code in alone[code].prompts for code in job.prompts)


def test_evaluation_languages_of_shared_cells_are_joined(cells: Cells) -> None:
    found = {job.cell.axes.languages: set(job.prompts) for job in cells("paper") if job.cell.axes.n_languages == 1}
    assert found["cs",] == found["ru",] == {*TWELVE, *SLAVIC}
    assert found["fi",] == set(TWELVE)
    assert found["hr",] == set(SLAVIC)
    assert all(set(job.prompts) == {"en", "fi"} for job in cells("monolingual", "languages.evaluation=[en,fi]"))


def test_another_base_language_and_more_orders(cells: Cells) -> None:
    jobs = cells("language_count", "experiment.base=fi", "experiment.permutations=10")
    mixed = [job for job in jobs if job.cell.axes.n_languages > 1]
    assert all("fi" in job.cell.axes.languages for job in mixed)
    assert all(job.cell.axes.base == "fi" for job in mixed)
    assert all(len(sets(jobs, number)) > 3 for number in (2, 3, 4)), "three orders have three at most"


def test_own_languages_fractions_and_pinches(cells: Cells) -> None:
    own = [
        "experiment.languages=[de,en]",
        "experiment.few=[en,hr]",
        "experiment.fractions=[0.5]",
        "experiment.pinches=[8,9]",
    ]
    jobs = cells("pinch_six", *own[1:], "experiment.languages=[en,hr,et]")
    assert sorted(job.plan.asked for job in jobs if job.cell.axes.n_languages == 2) == [8, 9, 2320]
    assert sets(jobs, 1) == {frozenset({code}) for code in ("en", "hr", "et")}
    assert all(set(job.prompts) == {"en", "hr", "et"} for job in jobs)


def test_pairs() -> None:
    split = experiments.random_pairs(TWELVE, None, 0)
    assert len(split) == 6
    assert {code for pair in split for code in pair} == set(TWELVE), "one split has every language once"
    assert experiments.random_pairs(TWELVE[::-1], None, 0) == split
    assert experiments.random_pairs(TWELVE, None, 1) != split
    assert experiments.random_pairs(TWELVE, 10, 0)[:6] == split
    assert len(set(experiments.random_pairs(TWELVE, 66, 0))) == 66 == math.comb(12, 2)
    assert len(experiments.random_pairs(TWELVE[:5], None, 0)) == 2
    with pytest.raises(UserError, match=r"experiment\.pairs=4 is more than 3 languages have \(3\)"):
        experiments.random_pairs(TWELVE[:3], 4, 0)


def test_points_are_products_and_parts_are_their_sum() -> None:
    points: list[dict[str, Any]] = [
        {"tuning.rank": [4, 8], "mixture.nested": [True, False]},
        {
            "languages": "two",
            "model.path": "a b's",
            "tuning.lr": None,
            "mixture.counts": {"en": 3},
            "x": [["en", "fi"]],
        },
    ]
    made = experiments.expand(ExperimentConfig(parts={"mine": PartConfig(points=points)}))
    assert made == [
        {"tuning.rank": "4", "mixture.nested": "true"},
        {"tuning.rank": "4", "mixture.nested": "false"},
        {"tuning.rank": "8", "mixture.nested": "true"},
        {"tuning.rank": "8", "mixture.nested": "false"},
        {
            "languages": "two",
            "model.path": r"'a b\'s'",
            "tuning.lr": "null",
            "mixture.counts": "{en:3}",
            "x": "[en,fi]",
        },
    ]


def test_an_experiment_is_no_setting_of_a_cell() -> None:
    assert "experiment" not in plain(TrainConfig())


def test_words_of_the_command_line() -> None:
    assert arguments(["+experiment=paper", "plan=true"]) == ["experiment=paper", "plan=table", "hydra.mode=MULTIRUN"]
    assert arguments(["experiment=paper", "-m"])[1:] == ["experiment=paper", "hydra.mode=MULTIRUN"]
    assert arguments(["+experiment=paper", "hydra.mode=RUN"]) == ["experiment=paper", "hydra.mode=RUN"]
    assert arguments(["experiment.pairs=3"]) == ["experiment.pairs=3"]


# --- by the door -----------------------------------------------------------------------------------------------------


def door(root: Path, *words: str, models: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB", "PINCH"))}
    environment |= {"PINCH_CACHE": str(models or root), "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
    command = [sys.executable, "train.py", *words, "tracking=off", f"root={root}"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["+experiment=slavc"], "experiment=slavc: there is no such option; did you mean 'slavic'?"),
        (["+experiment=pairs", "experiment.pears=3"], "experiment.pears: there is no such setting; did you mean"),
        (["experiment.pairs=3"], "there are settings of an experiment, and no experiment; add +experiment=NAME"),
        (["-m", "experiment.pairs=3"], "there are settings of an experiment, and no experiment"),
        (["+experiment=pairs", "experiment.pairs=3,4"], "experiment.pairs: the settings of an experiment are no axes"),
        (["+experiment=pairs,slavic"], "several experiments as +experiment=[NAME,NAME]"),
        (["+experiment=pairs", "experiment.pairs=67"], "experiment.pairs=67 is more than 12 languages have (66)"),
        (["+experiment=language_count", "experiment.base=cs"], "the base language 'cs' is not among en, ar, fi"),
        (["+experiment=pinch_six", "mixture.fraction=0.1"], "mixture.fraction: the experiment pinch_six sets it"),
        (["+experiment=pinch_six", "languages.base=fi"], "use experiment.base"),
        (["+experiment=monolingual", "languages.tuning=[en]"], "use experiment.languages or experiment.few"),
        (["+experiment=monolingual", "experiment.languages=[en,xx]"], "experiment.languages: unknown language 'xx'"),
        (["+experiment=monolingual", "experiment.languages=[]"], "experiment.parts.monolingual.languages is empty"),
        (["+experiment=pinch_six", "experiment.fractions=[2]"], "experiment.fractions: 2.0 is outside 0..1"),
        (["+experiment=pairs", "hydra/sweeper=basic"], "only hydra/sweeper=pinch makes cells of an experiment"),
        (["+experiment=pinch_six", "mixture.budget=24"], "mixture.count=40 is larger than the budget of 24"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(words: list[str], error: str, tmp_path: Path) -> None:
    done = door(tmp_path, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert error in done.stderr


def test_a_plan_names_the_cells_and_imports_no_torch(tmp_path: Path) -> None:
    words = ["train.py", "plan=json", "+experiment=paper", "mixture.budget=4640", "seed=0,1", f"root={tmp_path}"]
    code = f"import sys, runpy; sys.argv = {words}\n"
    code += "try: runpy.run_path('train.py', run_name='__main__')\nexcept SystemExit as end: assert not end.code\n"
    code += "sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["distinct"] == 2 * 56 + 1, "two seeds of all but the untuned model"
    assert not plan["references"]["missing"]


def test_an_experiment_of_the_users_own_runs_on_two_launchers(tmp_path: Path) -> None:
    """Two cells of a list, zipped, and their untuned model; the other launcher finds them done."""
    from pinch.embedded import base

    base.ensure(tmp_path, recipe=base.TINY).rename(tmp_path / f"embedded-{base.recipe_hash()}")
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "zip.yaml").write_text(
        "name: zip\nparts:\n  zip:\n    points:\n"
        "      - {languages: one, tuning.max_steps: 1}\n      - {languages: two, tuning.max_steps: 2}\n"
        "  untuned: {tuned_on: nothing, evaluation: [en]}\n"
    )
    quick = ["data.max_prompts=2", "mixture.budget=24", "generation.max_new_tokens=2", "sweep.slots=1"]
    words = ["--config-dir", str(tmp_path / "conf"), "+experiment=zip", *quick, "languages.evaluation=[en]"]
    done = door(tmp_path / "runs", *words, models=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 asked, 3 distinct cells: 3 done" in done.stdout
    again = door(tmp_path / "runs", *words, "hydra/launcher=basic", models=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "3 asked, 3 distinct cells: 3 skipped" in again.stdout


def test_the_page_about_experiments_counts_right() -> None:
    text = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", text, re.MULTILINE))
    assert {name: int(number) for name, number in told.items()} == COUNTED
