"""Commands that train cells again: they lead to the same cells."""

import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from pinch.analysis.reproduce import command, experiment_command, train_commands
from pinch.cells import plain
from pinch.composition import job_settings
from pinch.config import ExperimentConfig, LanguagesConfig, Method, MixtureConfig, TrainConfig, TuningConfig

HOME = Path("multirun/study")


def settings(seed=0, tuning=None, base="en", method=Method.lora, lr=None, **mixture):
    languages = LanguagesConfig(base=base, tuning=tuning)
    return plain(
        TrainConfig(
            languages=languages, mixture=MixtureConfig(**mixture), tuning=TuningConfig(method=method, lr=lr), seed=seed
        )
    )


def test_a_command_names_only_what_is_not_the_default():
    assert command("evaluate.py", HOME) == "python evaluate.py"
    assert (
        command("evaluate.py", Path("elsewhere/mine"), "a=1") == "python evaluate.py a=1 workspace=mine root=elsewhere"
    )


def test_shares_and_seeds_of_one_set_are_one_sweep():
    every = [settings(seed, ["en", "es"], fraction=x) for seed in (1, 0) for x in (0.5, 0.01)]
    expected = "python train.py -m 'languages.tuning=[en,es]' mixture.fraction=0.01,0.5 seed=0,1"
    assert train_commands(every, HOME) == [expected]


def test_languages_tuned_on_alone_are_one_sweep():
    every = [settings(base=code) for code in ("en", "fi")]
    assert train_commands(every, HOME) == ["python train.py -m languages=one languages.base=en,fi"]


def test_a_cell_alone_is_no_sweep():
    assert train_commands([settings(tuning=["en", "es"])], HOME) == [
        "python train.py 'languages.tuning=[en,es]' mixture.fraction=1"
    ]
    assert train_commands([settings(method=Method.none)], HOME) == ["python train.py tuning=none"]


def test_what_differs_from_the_schema_is_named():
    every = [settings(tuning=["en", "es"], count=40, nested=False, lr=0.1)]
    assert train_commands(every, HOME) == [
        "python train.py 'languages.tuning=[en,es]' mixture.count=40 mixture.nested=False tuning.lr=0.1"
    ]


def test_different_settings_are_different_lines():
    lines = train_commands([settings(tuning=["en", "es"], fraction=0.5), settings(tuning=["en", "es"], count=3)], HOME)
    assert len(lines) == 2


def test_explicit_counts_are_quoted():
    lines = train_commands([settings(tuning=["en", "es"], counts={"en": 3, "es": 2})], HOME)
    assert lines == ["python train.py 'languages.tuning=[en,es]' 'mixture.counts={en:3,es:2}'"]


@pytest.mark.parametrize("count", [2, 4])
def test_languages_from_the_pool_are_named_in_their_order(count):
    every = [plain(TrainConfig(languages=LanguagesConfig(count=count)))]
    expected = {2: "[en,ar]", 4: "[en,ar,fi,it]"}[count]
    assert train_commands(every, HOME) == [f"python train.py 'languages.tuning={expected}' mixture.fraction=1"]


@pytest.mark.parametrize(
    "words",
    [
        ["model=hf", "model.path=./m", "model.name=mine", "model.template=chat", "model.quantization=nf4"],
        ["data=jsonl", "data.corpus=c.jsonl", "data.prompts=p q", "data.turns=keep", "tuning.target='.*(q|v)_proj'"],
        [
            "data=hub", "data.table.path=a/b", "data.table.languages=[en,ru]", "data.table.keep={rank: [0, 1], kind: 'a b'}",
            "data.asked.path=p.jsonl", "data.asked.files=null", "data.asked.columns.language=null",
            "data.asked.columns.instruction='{language}'", "data.max_prompts=5", "generation.max_new_tokens=9",
        ],
        ["data=bactrian_x", "generation=sampled", "generation.top_k=40", "tuning.loss_turns=last", "data.max_prompts=5"],
        ["data=lima_oasst", "tuning.rslora=true", "languages.base=fi"],
        ["data.max_prompts=7", "tuning=none"],
    ],
)  # fmt: skip
def test_the_line_leads_to_the_same_settings(words):
    """Through the shell and Hydra, but for what changes neither weights nor answers."""
    asked = composed(words)
    line = train_commands([plain(asked)], HOME)[0]
    found = composed([word for word in shlex.split(line)[2:] if word != "-m"])
    for part in ("data", "mixture", "tuning", "model", "generation", "seed"):
        one, other = plain(asked)[part], plain(found)[part]
        if part == "data" and asked.data.source.value == "hub":
            one, other = ({**values, "name": ""} for values in (one, other))
        if part == "mixture":
            one, other = ({**values, "fraction": values["fraction"] or 0} for values in (one, other))
        if part == "tuning":
            one, other = ({**values, "name": ""} for values in (one, other))
        if part == "generation":
            one, other = ({**values, "name": ""} for values in (one, other))
        assert one == other, line


def composed(words):
    ConfigStore.instance().store(name="train_schema", node=TrainConfig)
    with initialize_config_dir(str(Path(__file__).resolve().parents[1] / "conf"), version_base="1.3"):
        return job_settings(compose(config_name="train", overrides=words))


ALL = list(dict.fromkeys([*ExperimentConfig().languages, *ExperimentConfig().relatives]))


def test_an_experiment_goes_on_with_the_familys_settings_and_seeds():
    found = experiment_command("+experiment=pairs", settings(tuning=["en", "es"], budget=50), (1, 0), ALL, HOME)
    assert found == "python train.py +experiment=pairs mixture.budget=50 seed=0,1"
    assert experiment_command("+experiment=pairs", settings(lr=0.1), (0,), ALL, Path("runs/mine")) == (
        "python train.py +experiment=pairs tuning.lr=0.1 workspace=mine root=runs"
    )


def test_what_an_experiment_sets_itself_is_not_set_beside_it():
    assert experiment_command("+experiment=pinch_six", settings(fraction=0.5, spread="all"), (0,), ALL, HOME) == (
        "python train.py +experiment=pinch_six"
    )


def test_an_experiment_keeps_to_the_languages_of_a_users_corpus():
    mine = settings() | {"data": settings()["data"] | {"source": "jsonl", "corpus": "c", "prompts": "p"}}
    few = ["en", "fi", "de"]
    files = "data=jsonl data.corpus=c data.prompts=p"

    def said(name, languages):
        return experiment_command(f"+experiment={name}", mine, (0,), languages, HOME)

    assert said("pairs", few) == f"python train.py +experiment=pairs 'experiment.languages=[en,fi,de]' {files}"
    both = "'experiment.languages=[en,fi,de]' 'experiment.few=[en,fi]'"
    assert said("pinch_six", few) == f"python train.py +experiment=pinch_six {both} {files}"
    slavic = f"python train.py +experiment=slavic 'experiment.relatives=[ru,pl]' {files}"
    assert said("slavic", ["en", "ru", "pl"]) == slavic
    own = "+experiment=slavic 'experiment.relatives=[ru,pl]'"
    assert experiment_command(own, mine, (0,), ["en", "ru", "pl"], HOME) == slavic
    assert "'experiment.few=[de,fr]'" in said("pinch_six", ["de", "fr", "nl"])


def test_the_embedded_world_has_the_languages_of_every_experiment():
    assert (
        experiment_command("+experiment=slavic", settings(), (0,), ["en"], HOME) == "python train.py +experiment=slavic"
    )
