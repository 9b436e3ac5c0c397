"""The page that --help prints: every setting of a door with its value and its meaning."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hydra.core.config_store import ConfigStore

from pinch.config import SCHEMAS, GenerationConfig, LossUnit
from pinch.errors import UserError
from pinch.usage import asked, groups, settings, usage

CONF = Path(__file__).resolve().parents[1] / "conf"


@pytest.fixture(autouse=True)
def schemas() -> None:
    for door, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{door}_schema", node=schema)


@dataclasses.dataclass
class Salt:
    grams: int = 3
    """How much. Above 5 it bites."""


@dataclasses.dataclass
class Soup:
    """A schema."""

    first: Salt
    second: Salt
    names: list[str]
    """What it is called, e.g. Borscht. Any language."""
    plain: bool = True
    unit: LossUnit = LossUnit.token
    """A member."""


def test_every_setting_has_its_value_as_one_writes_it_and_its_meaning() -> None:
    values = {
        "first": {"grams": 3},
        "second": {"grams": None},
        "names": ["a", ""],
        "plain": False,
        "unit": LossUnit.token,
    }
    found = {setting.name: setting for setting in settings(Soup, values)}
    assert {name: setting.value for name, setting in found.items()} == {
        "first.grams": "3", "second.grams": "null", "names": "[a,'']", "plain": "false", "unit": "token",
    }  # fmt: skip
    assert found["first.grams"].meaning == "How much. Above 5 it bites."
    assert found["plain"].meaning == ""
    assert found["unit"].meaning == "A member."
    assert (found["first.grams"].alike, found["second.grams"].alike) == (None, ("second", "first"))


@pytest.mark.parametrize("door", SCHEMAS)
def test_the_page_of_a_door_has_its_groups_and_every_field_of_its_schema(door: str) -> None:
    page = usage(door, ["--help"], CONF)
    assert page.startswith("Pinch: ")
    for name, options in groups(door, CONF):
        assert f"  {name}: {', '.join(options)}" in page
    for field in dataclasses.fields(SCHEMAS[door]):
        assert f"\n  {field.name}." in page or f"\n  {field.name}=" in page
    assert max(map(len, page.split("Settings")[1].split("\n"))) <= 125


def test_groups_are_those_of_the_door_by_the_name_that_chooses_them() -> None:
    names = {door: {name for name, _ in groups(door, CONF)} for door in SCHEMAS}
    assert names["translate"] == {"engine", "plan"}
    assert names["evaluate"] == {"judge", "plan", "tracking"}
    assert {"+experiment", "prompts@data.asked", "model"} <= names["train"]
    assert "engine" not in names["train"]


def test_a_name_tells_all_of_a_group_or_a_setting() -> None:
    whole = usage("train", ["--help", "generation"], CONF)
    assert all(f"generation.{field.name}" in whole for field in dataclasses.fields(GenerationConfig))
    assert "tuning." not in whole
    assert not whole.startswith("Pinch")
    assert usage("train", ["seed", "-h"], CONF).split("\n")[0] == "seed=0"
    alike = usage("train", ["--help", "data.second.path"], CONF)
    assert alike.startswith("data.second.path=null\n    A folder")


def test_settings_beside_it_are_shown_as_they_would_be() -> None:
    page = usage("train", ["--help", "tuning=full", "seed=4", "languages=one,two", "+experiment=paper"], CONF)
    assert "\n  tuning.method=full " in page
    assert "\n  seed=4 " in page
    assert "\n  languages.name=one " in page


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"--help tunin: there is no such group or setting; did you mean 'tuning'\?"):
        usage("train", ["--help", "tunin"], CONF)


def test_sentences_end_where_the_next_begins() -> None:
    page = usage("train", ["--help"], CONF)
    lines: dict[str, Any] = {line.split("=")[0].strip(): line for line in page.split("\n") if "=" in line}
    assert lines["tuning.gradient_checkpointing"].endswith("Less memory, more time")
    assert "e.g. data/*.parquet" in lines["data.table.files"]


def test_it_is_asked_for_by_either_flag() -> None:
    assert asked(["-h"])
    assert asked(["seed=1", "--help"])
    assert not asked(["help"])
