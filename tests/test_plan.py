"""Plans: five languages, three prompts, a handful of cells: every number can be counted by hand."""

import dataclasses
import io
import itertools
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pinch import jobs, plan, references, stats
from pinch.config import (
    MixtureConfig,
    ModelConfig,
    ModelSource,
    PlanConfig,
    SweepConfig,
    TrainConfig,
    TrainerConfig,
    TuningConfig,
    Wish,
)
from pinch.jobs import Job
from pinch.plan.records import SweepPlan
from pinch.records import write_json
from small_world import ASKED, LANGUAGES, finish, settings

ADDING = PlanConfig(add_references=True)


def wishes(*asked: TrainConfig) -> list[Wish]:
    return [Wish([f"job={number}"], wish) for number, wish in enumerate(asked, start=1)]


def make(*asked: TrainConfig, places: int = 1) -> SweepPlan:
    return plan.make(wishes(*asked), places)


def shown(made: SweepPlan, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    plan.show(made, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def small(tmp_path: Path, over: tuple[str, ...], evaluation: Sequence[str], **more: Any) -> TrainConfig:
    """A cell that answers in these languages only."""
    wish = settings(tmp_path, over, **more)
    return replace(wish, languages=replace(wish.languages, evaluation=list(evaluation)))


# --- cells ---------------------------------------------------------------------------------------------------------


def test_cells_by_what_is_left_to_do(tmp_path: Path) -> None:
    done, half, new = (settings(tmp_path, seed=seed) for seed in range(3))
    finish(jobs.prepare(done))
    finish(jobs.prepare(half), ("en", "fi"))
    made = make(done, half, new, new)
    assert made.asked == 4
    assert [cell.state for cell in made.cells] == ["done", "half done", "to do"]
    assert made.cells[1].unanswered == ("et", "ru", "sw")
    assert made.answers == plan.records.Answers(number=3 * 3 + 5 * 3, languages=8, cells=2)
    assert "4 asked, 3 distinct cells: 1 done, 1 half done, 1 to do" in shown(made)
    assert made.exit_code == 0


def test_the_untuned_model_is_half_done_once_it_has_answered_something(tmp_path: Path) -> None:
    untuned = settings(tmp_path, ())
    assert make(untuned).cells[0].state == "to do"
    finish(jobs.prepare(untuned), ("en",))
    assert make(untuned).cells[0].state == "half done"


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    make(settings(tmp_path), settings(tmp_path, ("en", "fi"), plan=ADDING))
    assert not (tmp_path / "runs").exists()


def test_invalid_jobs_are_listed_and_do_not_end_the_plan(tmp_path: Path) -> None:
    large = settings(tmp_path, mixture=MixtureConfig(budget=21))
    made = plan.make(
        [
            Wish(["seed=0", "mixture.budget=21", "root=x"], large),
            Wish(["seed=1", "root=x"], settings(tmp_path, seed=1)),
            Wish(["seed=0", "mixture.fraction=2", "root=x"], None, "mixture.fraction=2.0 is outside 0..1"),
        ],
        1,
    )
    assert [(row.job, row.words) for row in made.invalid] == [
        (1, ("seed=0", "mixture.budget=21")),
        (3, ("seed=0", "mixture.fraction=2")),
    ]
    assert made.invalid[0].reason.startswith("mixture.budget=21 is larger than the corpus of 20 examples")
    assert made.invalid[1].reason == "mixture.fraction=2.0 is outside 0..1"
    assert len(made.cells) == 1
    assert made.exit_code == 2
    assert "2 of the jobs cannot be" in shown(made)
    assert "mixture.fraction=2.0 is outside 0..1" in shown(made)


def test_a_plan_of_nothing_but_invalid_jobs(tmp_path: Path) -> None:
    made = plan.make([Wish([], None, "no")])
    assert made.effect is None
    assert "1 asked, 0 distinct cells: none; 1 of the jobs cannot be" in shown(made)


# --- mixtures ------------------------------------------------------------------------------------------------------


def test_mixtures_that_differ_in_the_seed_only_are_one_row(tmp_path: Path) -> None:
    asked = [settings(tmp_path, ("en", "fi", "ru"), mixture=MixtureConfig(count=6), seed=seed) for seed in (4, 0)]
    ranks = settings(tmp_path, ("en", "fi", "ru"), mixture=MixtureConfig(count=6), tuning=TuningConfig(rank=8))
    made = make(*asked, ranks, settings(tmp_path), settings(tmp_path, ()))
    assert [(row.languages, row.counts, row.seeds, row.cells) for row in made.mixtures] == [
        (("en",), {"en": 20}, (0,), 1),
        (("en", "fi", "ru"), {"en": 16, "fi": 2, "ru": 2}, (0, 4), 3),
    ]
    assert re.search(r"en fi ru +30 +20 +0,4 +3 +16 en · 2 fi ru", shown(made))


def test_mixtures_whose_odd_example_goes_elsewhere_are_rows_of_their_own(tmp_path: Path) -> None:
    three = [settings(tmp_path, ("en", "fi"), mixture=MixtureConfig(count=3), seed=seed) for seed in range(8)]
    rows = make(*three).mixtures
    assert sorted(seed for row in rows for seed in row.seeds) == list(range(8))
    assert {tuple(row.counts.items()) for row in rows} == {(("en", 18), ("fi", 2)), (("en", 19), ("fi", 1))}


def test_a_long_table_says_how_much_it_leaves_out(tmp_path: Path) -> None:
    many = [settings(tmp_path, codes, mixture=MixtureConfig(count=number)) for codes, number in ROWS]
    made = make(*many)
    assert len(made.mixtures) == len(ROWS) > 40
    assert f"and {len(ROWS) - 40} more (plan=json)" in shown(made)


ROWS = [((one, two), number) for one, two in itertools.combinations(LANGUAGES, 2) for number in range(2, 21, 2)]


# --- references ----------------------------------------------------------------------------------------------------


def test_references_that_are_missing(tmp_path: Path) -> None:
    made = make(settings(tmp_path, ("en", "fi"), mixture=MixtureConfig(count=4)))
    assert made.references.missing == {"monolingual": LANGUAGES, "base": tuple(sorted(ASKED))}
    assert made.references.never == ("et",)
    assert "missing: monolingual en fi ru sw; missing: the untuned model; never: monolingual et" in shown(made)


def test_references_of_the_plan_or_of_the_workspace_are_not_missing(tmp_path: Path) -> None:
    mixed = settings(tmp_path, ("en", "fi"), mixture=MixtureConfig(count=4))
    finish(jobs.prepare(settings(tmp_path, ("ru",), seed=5)))
    finish(jobs.prepare(settings(tmp_path, ())))
    made = make(mixed, settings(tmp_path, ("fi",), seed=3))
    assert made.references.missing == {"monolingual": ("en", "sw")}


@pytest.mark.parametrize(
    "changes",
    [{"tuning": TuningConfig(rank=8)}, {"mixture": MixtureConfig(budget=10)}, {"workspace": "elsewhere"}],
    ids=["family", "budget", "workspace"],
)
def test_cells_of_another_family_are_no_references(tmp_path: Path, changes: dict[str, Any]) -> None:
    finish(jobs.prepare(settings(tmp_path, ("fi",), **changes)))
    assert "fi" in make(settings(tmp_path)).references.missing["monolingual"]


def test_unfinished_cells_and_answers_to_other_prompts_are_no_references(tmp_path: Path) -> None:
    fi, ru = settings(tmp_path, ("fi",)), settings(tmp_path, ("ru",))
    finish(jobs.prepare(fi), ("en",))
    finish(jobs.prepare(replace(ru, data=replace(ru.data, max_prompts=1))))
    assert make(settings(tmp_path)).references.missing["monolingual"] == ("fi", "ru", "sw")


def test_references_are_added_on_demand(tmp_path: Path) -> None:
    mixed = [
        settings(tmp_path, ("en", "fi"), mixture=MixtureConfig(count=4, seed=9), seed=seed, plan=ADDING)
        for seed in (7, 2)
    ]
    made = make(*mixed)
    added = [cell for cell in made.cells if cell.added]
    assert made.references.missing == {}
    assert made.references.commands == ()
    assert made.references.added == tuple(cell.id for cell in added)
    assert len(added) == 4 + 1
    alone = [jobs.prepare(settings(tmp_path, (code,), seed=2)).cell.id for code in LANGUAGES]
    assert {cell.id for cell in added} == {*alone, jobs.prepare(settings(tmp_path, ())).cell.id}
    assert made.answers.number == 7 * 5 * 3


def test_added_references_are_what_evaluate_chooses(tmp_path: Path) -> None:
    """All cells of the sweep answered, evaluate's own rule finds a reference wherever one can be."""
    asked = jobs.prepare_all(
        [
            small(tmp_path, ("en", "fi"), ("en", "ru", "et"), mixture=MixtureConfig(fraction=0.2), seed=3),
            small(tmp_path, ("en", "fi"), ("sw",), mixture=MixtureConfig(counts={"fi": 3}), seed=1),
            small(tmp_path, ("ru",), ("en",), tuning=TuningConfig(rank=4)),
        ]
    )
    whole = jobs.distinct([*asked, *map(jobs.prepare, plan.missing_references(asked, []))])
    families = references.main_families(job.cell for job in whole)
    for job, kind in itertools.product(asked, ("monolingual", "base")):
        for code, digest in job.digests.items():
            rivals = [other.cell for other in whole if other.digests.get(code) == digest]
            chosen = references.choose(kind, job.cell, code, rivals, families)
            assert (chosen is None) == (kind == "monolingual" and code == "et"), (kind, code)
    assert plan.missing_references(whole, []) == []
    seeds = {
        job.cell.axes.seed
        for job in whole[len(asked) :]
        if not job.cell.untuned and job.cell.family == asked[0].cell.family
    }
    assert seeds == {1}, "the smallest of the family"


def test_what_adding_made_is_there_afterwards(tmp_path: Path) -> None:
    asked = [jobs.prepare(settings(tmp_path, ("en", "fi"), mixture=MixtureConfig(count=4)))]
    for job in map(jobs.prepare, plan.missing_references(asked, [])):
        finish(job)
    found, notes = plan.existing(asked)
    assert len(found) == 5
    assert notes == []
    assert plan.missing_references(asked, found) == []


def test_the_commands_make_the_missing_references() -> None:
    """Composed as the door does it, the lines mean exactly the cells that would be added."""
    words = [
        "languages=three", "mixture.fraction=0.5", "seed=3", "tuning.rank=8", "mixture.budget=64", "plan=table",
        "languages.evaluation=[en,ar,sr]", "root=/nowhere", "mixture.seed=7",
    ]  # fmt: skip
    [wish] = composed(words)
    asked = [jobs.prepare(wish)]
    commands = plan.make([Wish(words, wish)], 1).references.commands
    assert commands == (
        "python train.py -m tuning.rank=8 mixture.budget=64 root=/nowhere mixture.seed=7 languages=one seed=3 "
        "'languages.evaluation=[en,ar,sr-Cyrl]' languages.base=en,ar,sr-Cyrl",
        "python train.py mixture.budget=64 root=/nowhere mixture.seed=7 tuning=none "
        "'languages.evaluation=[en,ar,sr-Cyrl]'",
    )
    made = [job for line in commands for job in map(jobs.prepare, composed(shlex.split(line)[2:]))]
    expected = jobs.prepare_all(plan.missing_references(asked, []))
    assert {job.cell.id: list(job.prompts) for job in made} == {job.cell.id: list(job.prompts) for job in expected}
    assert len(made) == 4


def composed(words: list[str]) -> list[TrainConfig]:
    """The settings of a command line; values with a comma are a sweep."""
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore

    from pinch.composition import job_settings
    from pinch.config import SCHEMAS
    from pinch.doors import CONF

    ConfigStore.instance().store(name="train_schema", node=SCHEMAS["train"])
    choices = [
        [word] if "[" in word else [f"{name}={value}" for value in values.split(",")]
        for word in words
        if word != "-m"
        for name, _, values in [word.partition("=")]
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return [job_settings(compose("train", list(one))) for one in itertools.product(*choices)]


def test_counts_of_a_preset_are_taken_back(tmp_path: Path) -> None:
    made = plan.make(
        [Wish(["mixture=mine"], small(tmp_path, ("en", "fi"), ["en"], mixture=MixtureConfig(counts={"fi": 3})))], 1
    )
    assert made.references.commands[0] == (
        "python train.py mixture=mine languages=one seed=0 mixture.counts=null 'languages.evaluation=[en]' languages.base=en"
    )


def test_commands_are_not_broken_and_many_are_cut(tmp_path: Path) -> None:
    asked = [settings(tmp_path, tuning=TuningConfig(rank=rank)) for rank in range(1, 10)]
    made = plan.make([Wish([f"tuning.rank={n}"], wish) for n, wish in enumerate(asked, start=1)], 1)
    assert len(made.references.commands) == 9 + 1
    lines = shown(made, width=40).split("\n")
    assert "  python train.py -m tuning.rank=1 languages=one seed=0 languages.base=fi,ru,sw" in lines
    assert "  and 4 more lines (plan=json)" in lines


# --- judge calls ---------------------------------------------------------------------------------------------------


def test_judge_calls_by_hand(tmp_path: Path) -> None:
    """Both orders of 3 prompts: 6 calls a language. en is its own reference, et can have none, the untuned model can be
    made: monolingual fi; base en fi et."""
    made = make(small(tmp_path, ("en",), ("en", "fi", "et")))
    assert (made.judge_calls.most, made.judge_calls.judged, made.judge_calls.judge) == (6 + 3 * 6, 0, None)
    untuned = make(small(tmp_path, (), ("en", "fi")))
    assert untuned.judge_calls.most == 0, "nobody to compare the untuned model with"
    both = make(small(tmp_path, ("en",), ("en", "fi")), small(tmp_path, (), ("en", "fi")))
    assert both.judge_calls.most == (6 + 12) + 12, "against models that are there or can be made"


def test_what_is_scored_is_not_judged_again(tmp_path: Path) -> None:
    mixed = small(tmp_path, ("en", "fi"), ("en", "fi"), mixture=MixtureConfig(count=4))
    alone = [small(tmp_path, (code,), ("en", "fi")) for code in ("en", "fi")]
    prepared = jobs.prepare_all([mixed, *alone])
    for job in prepared:
        finish(job)
    against = {"en": row(prepared[1], n=3), "fi": row(prepared[2], n=2, invalid=1)}
    score(prepared[0], "mine", monolingual=against)
    calls = make(mixed, *alone).judge_calls
    assert calls.most == 2 * 12 + 2 * (6 + 12)
    assert (calls.judged, calls.judge) == (6 + 4, "mine"), "an invalid verdict is asked for again"
    assert "10 of them are scored by mine" in shown(make(mixed, *alone))

    score(prepared[0], "mine", monolingual={"en": row(prepared[2], n=3), "fi": row(prepared[2], n=1)})
    assert make(mixed, *alone).judge_calls.judged == 0, "another reference; fewer prompts"
    score(prepared[0], "mine-sequential", monolingual=against)
    assert make(mixed, *alone).judge_calls.judge is None, "stopped early: those scores are for nothing but decisions"
    score(prepared[0], "mine", monolingual=against)
    finish(prepared[2], ("en",))
    assert make(mixed, *alone).judge_calls.judged == 6, "the reference has to answer anew in fi"


def row(reference: Job, n: int, invalid: int = 0, **more: Any) -> dict[str, Any]:
    counts = {"n": n, "ties": 0, "identical": 0, "invalid": invalid, "se": 1.0}
    return counts | {"reference_cell": reference.cell.id} | more


def score(job: Job, judge: str, unseen: dict[str, Any] | None = None, **kinds: dict[str, Any]) -> None:
    groups = {} if unseen is None else {"unseen": unseen}
    against = {kind: {"languages": rows, "groups": groups} for kind, rows in kinds.items()}
    write_json(job.cell.scores_path, {judge: {"against": against}})


def test_broken_scores_count_as_none(tmp_path: Path) -> None:
    job = jobs.prepare(settings(tmp_path))
    finish(job)
    for text in ("{", "[]"):
        job.cell.scores_path.write_text(text)
        assert make(settings(tmp_path)).judge_calls.judge is None


# --- time ----------------------------------------------------------------------------------------------------------


def test_time_by_cells_of_the_same_family(tmp_path: Path) -> None:
    """A finished cell took half a second a step and 0.2 s an answer; 3 epochs of 20 examples are 3 steps, and there are
    15 answers: 4.5 s a cell, never less than the longest takes."""
    finish(jobs.prepare(settings(tmp_path)))
    new = [settings(tmp_path, seed=seed) for seed in (1, 2, 3)]
    made = make(*new)
    assert made.duration == plan.records.Duration(seconds=13.5, slots=1, of_family=3, of_model=0, unknown=0)
    assert "about 14 seconds with one cell at a time (3 by past cells of the same family)" in shown(made)
    assert make(*new, places=2).duration.seconds == 6.8
    assert make(*new, places=8).duration.seconds == 4.5
    finish(jobs.prepare(new[0]), ("en", "fi"), tune={"attempt": 2}, generate={"attempt": 2})
    assert make(new[0]).duration.seconds == pytest.approx(9 * 0.2), "nothing to tune; second attempts tell nothing"
    steps = settings(tmp_path, tuning=TuningConfig(batch_size=8, max_steps=5), seed=4)
    assert make(steps).duration.seconds == 5 * 0.5 + 15 * 0.2


def test_time_by_cells_of_the_same_model_or_not_at_all(tmp_path: Path) -> None:
    finish(jobs.prepare(settings(tmp_path)))
    other = settings(tmp_path, tuning=TuningConfig(rank=8))
    foreign = settings(tmp_path, model=ModelConfig(source=ModelSource.hf, path="org/model"))
    made = make(settings(tmp_path, seed=1), other, foreign)
    assert made.duration == plan.records.Duration(seconds=9.0, slots=1, of_family=1, of_model=1, unknown=1)
    assert "1 by past cells of the same family and 1 by past cells of the same model" in shown(made)
    assert "without 1 that no past cell tells of" in shown(made)
    assert make(foreign).duration.seconds is None
    assert "no past cell to estimate from" in shown(make(foreign))
    assert "nothing to do" in shown(make(settings(tmp_path)))


def test_the_untuned_model_tells_nothing_about_tuning(tmp_path: Path) -> None:
    finish(jobs.prepare(settings(tmp_path, ())))
    assert make(settings(tmp_path)).duration.unknown == 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(20, "20 seconds"), (100, "1.7 minutes"), (5400, "1.5 hours"), (40_000, "11 hours"), (6e5, "6.9 days")],
)
def test_times_are_said_in_round_units(tmp_path: Path, seconds: float, said: str) -> None:
    finish(jobs.prepare(settings(tmp_path)), tune={"seconds": 0.1}, generate={"seconds": float(seconds)})
    text = shown(make(settings(tmp_path, seed=1)))
    assert f"about {said} with" in text


def test_a_plan_for_another_machine_is_made_with_one_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    from pinch.config import Accelerator

    made = plan.make(wishes(settings(tmp_path, trainer=TrainerConfig(accelerator=Accelerator.gpu))))
    assert made.duration.slots == 1
    assert made.notes == ("trainer.accelerator=gpu, but this machine shows no GPU; use trainer.accelerator=cpu",)
    here = [settings(tmp_path, sweep=SweepConfig(slots=2), seed=seed) for seed in range(3)]
    assert plan.make(wishes(*here)).duration.slots == 2


# --- smallest effect -----------------------------------------------------------------------------------------------


def test_the_smallest_effect_without_any_scores_is_the_worst_case(tmp_path: Path) -> None:
    found = make(settings(tmp_path)).effect
    assert found is not None
    assert (found.prompts, found.unseen_languages) == (3, 4)
    assert found.one_language == found.unseen_average == pytest.approx(stats.minimum_detectable(3, 0.0), abs=0.01)
    assert found.source.startswith("assumed: no prompt ends in a tie")


def test_the_smallest_effect_from_past_scores(tmp_path: Path) -> None:
    """Half of all comparisons end even. Two unseen languages with a standard error of 2 each, their average with the root
    of 3: variance 3 = 4 (1 + r) / 2, so r = 0.5; over 4 languages then (1 + 3 r) / 4 = 0.625 of the variance."""
    past = jobs.prepare(settings(tmp_path))
    finish(past)
    rows = {code: row(past, n=10, ties=2, identical=3, se=2.0) for code in ("fi", "ru")}
    rows["en"] = row(past, n=0, outcome="self")
    score(past, "mine", monolingual=rows, unseen={"languages": ["fi", "ru"], "n": 10, "se": 3**0.5})
    found = make(settings(tmp_path, seed=1)).effect
    assert found is not None
    assert (found.tie_rate, found.correlation) == (0.5, 0.5)
    assert found.one_language == pytest.approx(stats.minimum_detectable(3, 0.5), abs=0.01)
    assert found.unseen_average == pytest.approx(0.625**0.5 * stats.minimum_detectable(3, 0.5), abs=0.01)
    assert found.source == "20 comparisons of a past cell of the same family with monolingual references by mine"
    other = make(settings(tmp_path, tuning=TuningConfig(rank=8))).effect
    assert other is not None
    assert "a past cell of the same model" in other.source


def test_no_average_over_unseen_languages_where_there_are_none(tmp_path: Path) -> None:
    made = make(small(tmp_path, ("en",), ("en",)))
    assert made.effect is not None
    assert made.effect.unseen_average is None
    assert "unseen" not in shown(made)


# --- notes and documents -------------------------------------------------------------------------------------------


def test_cells_that_cannot_be_read_and_ids_left_out_are_noted(tmp_path: Path) -> None:
    wish = settings(tmp_path)
    broken = tmp_path / "runs" / "study" / "broken" / "cell.yaml"
    broken.parent.mkdir(parents=True)
    broken.write_text("id: [")
    corpus = Path(str(wish.data.corpus))
    lines = corpus.read_text().split("\n")
    corpus.write_text("\n".join(lines[1:]))
    notes = make(wish).notes
    assert len(notes) == 2
    assert "broken/cell.yaml: cannot be read" in notes[0]
    assert notes[1].endswith("1 ids are not in every language and were left out")
    assert "note: " in shown(make(wish))


def test_the_json_document_has_the_keys_that_are_documented(tmp_path: Path) -> None:
    finish(jobs.prepare(settings(tmp_path)), ("en",))
    made = plan.make([*wishes(settings(tmp_path), settings(tmp_path, ("en", "fi"))), Wish(["x"], None, "no")], 1)
    document = json.loads(plan.to_json(made))
    described = re.findall(
        r"^    ([a-z]\w+(?:, \w+)*)  ", str(plan.__doc__).split("nothing is known):")[1], re.MULTILINE
    )
    assert list(document) == ", ".join(described).split(", ")
    numbers = {name: document[name] for name in ("asked", "distinct", "done", "half_done", "to_do", "exit_code")}
    assert numbers == {"asked": 3, "distinct": 2, "done": 0, "half_done": 1, "to_do": 1, "exit_code": 2}
    for name in ("references", "answers", "judge_calls", "duration", "effect"):
        assert_described(name, document[name])
    for name in ("cells", "invalid", "mixtures"):
        assert_described(name, document[name][0])
    assert document["mixtures"][0]["counts"] == {"en": 20}


def assert_described(name: str, found: dict[str, Any]) -> None:
    [line] = re.findall(rf"^    {name} +(?:of each: )?(.*)$", str(plan.__doc__), re.MULTILINE)
    assert list(found) == re.sub(r" \(.*?\)", "", line).split(", ")


def test_a_plan_is_plain_data(tmp_path: Path) -> None:
    made = make(settings(tmp_path))
    assert make(settings(tmp_path)) == made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.asked = 3  # type: ignore[misc]
