"""Every YAML under conf/ composes and type-checks; every knob refuses what it cannot mean; every field has its place."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pinch import cells, config
from pinch.errors import UserError

CONF = Path(__file__).resolve().parents[1] / "conf"
DOORS = {
    "train": config.TrainConfig,
    "evaluate": config.EvaluateConfig,
    "analyze": config.AnalyzeConfig,
    "translate": config.TranslateConfig,
}
GIVEN = {"translate": ["corpus=somewhere", "to=[fi]", "engine.files=[somewhere]"]}
"""What a door cannot do without."""

NEEDS = {
    "generation=server": ["generation.server.base_url=http://localhost:8000/v1"],
    "model=hf": ["model.path=somewhere"],
    "data=hub": ["data.table.path=x"],
    "data=jsonl": ["data.corpus=somewhere", "data.prompts=somewhere"],
    "judge=api": ["judge.model=some-model"],
    "judge=hf": ["judge.model=somewhere"],
    "judge=panel": ["judge.members=[one,other]"],
    "engine=api": ["engine.model=some-model"],
    "engine=hf": ["engine.model=somewhere"],
}
"""Options that are not complete without a value of the user's."""


def settings(door: str, *overrides: str) -> Any:
    for name, schema in config.SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_schema", node=schema)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_object(compose(door, list(overrides)))


def options() -> list[str]:
    return [f"{path.parent.name}={path.stem}" for path in sorted(CONF.glob("*/*.yaml"))]


def test_every_file_is_seen() -> None:
    everything = {path.relative_to(CONF).as_posix() for path in CONF.rglob("*") if path.is_file()}
    seen = {f"{name}.yaml" for name in DOORS} | {f"{option.replace('=', '/')}.yaml" for option in options()}
    assert everything == seen
    assert len(seen) >= 25


@pytest.mark.parametrize("option", options())
def test_every_option_composes(option: str) -> None:
    group = option.split("=")[0]
    for door, schema in DOORS.items():
        if group in {field.name for field in dataclasses.fields(schema) if dataclasses.is_dataclass(field.type)}:
            if option == "plan=files" and door in ("evaluate", "translate"):
                continue  # refused, see below
            made = settings(door, option, *NEEDS.get(option, []), *GIVEN.get(door, []))
            assert isinstance(made, schema)
            chosen = getattr(made, group)
            assert (chosen.kind.value if group in ("judge", "engine") else chosen.name) == option.split("=")[1]


@pytest.mark.parametrize("door", DOORS)
def test_doors_compose(door: str) -> None:
    assert isinstance(settings(door, *GIVEN.get(door, [])), DOORS[door])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["mixture.fraction=1.5"], "outside 0..1"),
        (["mixture.fraction=0.1", "mixture.count=40"], "both set"),
        (["languages.base=xx"], "unknown language 'xx'"),
        (["languages.base=eng"], "did you mean 'en'"),
        (["languages.tuning=[en,en]"], "listed twice"),
        (["languages.tuning=[]"], "is empty"),
        (["languages.evaluation=[]"], "is empty"),
        (["model=hf"], "model.path is not set"),
        (["data=jsonl"], "data.corpus"),
        (["tuning.lr=0"], "above 0"),
        (["tuning.batch_size=0"], "1 or more"),
        (["tuning.dropout=1"], "outside 0..1"),
        (["workspace=../elsewhere"], "plain folder name"),
        (["trainer.devices=2"], "needs trainer=ddp"),
        (["mixture.budget=0"], "1 or more"),
    ],
)
def test_refusals(overrides: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        settings("train", *overrides)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["judge=api"], "judge.model is not set; give the model's name at the server"),
        (["judge=hf"], "judge.model is not set; give a folder or a hub id"),
        (["judge=panel", "judge.members=[one]"], "a panel needs two judges or more"),
        (["judge.margin=-1"], "judge.margin=-1.0 must not be negative"),
        (["judge.asks=0"], "judge.asks=0 must be 1 or more"),
        (["judge.retries=-1"], "judge.retries=-1 must not be negative"),
        (["judge.timeout=0"], "judge.timeout=0.0 must be above 0"),
        (["judge.temperature=-1"], "judge.temperature=-1.0 must not be negative"),
        (["judge=api", "judge.model=m", "judge.batch=read"], "needs the result files"),
        (["judge.budget.calls=0"], "judge.budget.calls=0 must be 1 or more"),
        (["judge.budget.money=-1"], "judge.budget.money=-1.0 must be above 0"),
        (["judge.budget.money=1"], "judge.budget.money needs prices"),
        (["judge.price.question=1"], "give both"),
        (["judge.price.question=-1", "judge.price.reply=1"], "must not be negative"),
        (["judge.name=a/b"], "becomes a file name"),
        (["judge.name=..", "judge=human"], "becomes a file name"),
        (["judge.name=''"], "becomes a file name"),
        (["score.references=[]"], "score.references is empty"),
        (["plan=files"], "plan=files and plan.add_references are of train.py"),
        (["only.languages=[xx]"], "unknown language 'xx'"),
        (["only.languages=[]"], "only.languages is empty"),
        (["only.cells=[]"], "only.cells is empty"),
    ],
)
def test_refusals_of_evaluate(overrides: list[str], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        settings("evaluate", *overrides)


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ([], "reference"),
        (["judge=human"], "human"),
        (["judge=api", "judge.model=org/model:7b@x"], "model-7b-x"),
        (["judge=hf", "judge.model=./folder/"], "folder"),
        (["judge=hf", "judge.model=/"], "hf"),
        (["judge=api", "judge.model=x", "judge.name=mine"], "mine"),
    ],
)
def test_judges_are_named_after_their_models(overrides: list[str], label: str) -> None:
    assert settings("evaluate", *overrides).judge.label() == label


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("mixture.fraction=many", "could not be converted to Float"),
        ("tuning.method=lorra", "Invalid value 'lorra'"),
        ("mixture.frction=0", "frction"),
        ("seed=x", "could not be converted to Integer"),
    ],
)
def test_wrong_types_and_names(override: str, words: str) -> None:
    with pytest.raises((OmegaConfBaseException, HydraException)) as caught:
        settings("train", override)
    assert words in f"{caught.value} {caught.value.__cause__}"


def test_no_is_norwegian_and_an_unquoted_no_is_explained(tmp_path: Path) -> None:
    assert config.LanguagesConfig(base="no").base == "no"
    read = OmegaConf.create("languages: [en, no]")
    with pytest.raises(UserError, match="Norwegian"):
        config.LanguagesConfig(tuning=[str(code) for code in read.languages])


def test_short_codes_become_full_ones() -> None:
    made = config.LanguagesConfig(base="zh", pool=["zh", "sr"], evaluation=["zh"])
    assert (made.base, made.pool, made.evaluation) == ("zh-Hans", ["zh-Hans", "sr-Cyrl"], ["zh-Hans"])


def test_learning_rate_is_the_models_unless_set() -> None:
    model = config.ModelConfig(lora_lr=1e-3, full_lr=1e-5)
    assert config.TuningConfig().learning_rate(model) == 1e-3
    assert config.TuningConfig(method=config.Method.full).learning_rate(model) == 1e-5
    assert config.TuningConfig(lr=0.5).learning_rate(model) == 0.5


def test_every_field_is_inside_or_outside_of_the_identity() -> None:
    fields: dict[str, set[str]] = {"": set()}
    for field in dataclasses.fields(config.TrainConfig):
        value = getattr(config.TrainConfig(), field.name)
        if dataclasses.is_dataclass(value):
            fields[field.name] = {inner.name for inner in dataclasses.fields(value)}
        else:
            fields[""].add(field.name)
    for group, names in fields.items():
        inside, outside = cells.IDENTITY.get(group, set()), cells.OUTSIDE.get(group, set())
        assert inside | outside == names, group
        assert not inside & outside, group
