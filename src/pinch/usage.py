"""Doors: `--help`: what a door is for, its groups and its settings, each with its value and its meaning.

    python train.py --help                 every setting with the first sentence of its meaning
    python train.py --help tuning data     these groups alone, whole
    python train.py --help tuning=full     what a choice makes of the settings

The meanings are the docstrings of the fields in pinch.config; they are said nowhere else.
"""

import ast
import dataclasses
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pinch.config import SCHEMAS
from pinch.errors import UserError, did_you_mean

FLAGS = ("--help", "-h")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One line of the page of knobs: dotted `name`, `value` as it would be written, `meaning` as the schema says it.
    `alike`: the part of the settings that this belongs to, and an earlier one of the same kind."""

    name: str
    value: str
    meaning: str
    alike: tuple[str, str] | None = None


def asked(words: Sequence[str]) -> bool:
    return any(word in FLAGS for word in words)


def usage(door: str, words: Sequence[str], conf: Path) -> str:
    """The page for a door. `words` are the others of the command line: names of groups or settings to tell more of, and
    settings to compose with. Raises UserError for a name that there is not, and whatever Hydra raises for settings."""
    topics = [word for word in words if "=" not in word and not word.startswith("-")]
    chosen = [word for word in words if "=" in word and not word.lstrip("+").startswith(("hydra", "experiment="))]
    chosen = [word for word in chosen if "," not in word or set(word) & set("[{")]  # several values are a sweep
    with initialize_config_dir(str(conf), version_base="1.3"):
        composed = compose(config_name=door, overrides=chosen)
    listed = list(settings(SCHEMAS[door], OmegaConf.to_container(composed, resolve=True)))
    if topics:
        return "\n".join(_whole(_about(topics, listed)))
    header = yaml.safe_load((conf / f"{door}.yaml").read_text(encoding="utf-8"))["hydra"]["help"]["header"]
    lines = [header.strip(), "", "Groups (name=option; --help NAME tells more):"]
    lines += [f"  {name}: {', '.join(options)}" for name, options in groups(door, conf)]
    return "\n".join([*lines, "", "Settings (name=value):", *_brief(listed)])


def groups(door: str, conf: Path) -> Iterator[tuple[str, list[str]]]:
    """The config groups of a door as they are chosen on its command line, and their options."""
    names = {name for name, kind in get_type_hints(SCHEMAS[door]).items() if dataclasses.is_dataclass(kind)}
    for folder in sorted(path for path in conf.iterdir() if path.is_dir()):
        options = sorted(path.stem for path in folder.glob("*.yaml"))
        if folder.name == "experiment" and "experiment" in names:
            yield "+experiment", options
        elif folder.name in names:
            yield folder.name, options
        elif folder.name == "prompts" and "data" in names:
            yield "prompts@data.asked", options


def settings(schema: type, values: Any, part: str = "", alike: tuple[str, str] | None = None) -> Iterator[Setting]:
    """Every setting of a schema, those of its parts too, in the order of the fields."""
    meanings, kinds = _meanings(schema), get_type_hints(schema)
    first: dict[Any, str] = {}
    for field in dataclasses.fields(schema):
        name, value, kind = f"{part}.{field.name}".lstrip("."), values[field.name], kinds[field.name]
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            again = (name, first[kind]) if kind in first else None
            yield from settings(kind, value, name, alike or again)
            first.setdefault(kind, name)
        else:
            yield Setting(name, _written(value), meanings.get(field.name, ""), alike)


@cache
def _meanings(schema: type) -> dict[str, str]:
    """{field: its docstring}, from the source: Python itself does not keep them."""
    found: dict[str, str] = {}
    for parent in filter(dataclasses.is_dataclass, schema.__bases__):
        found |= _meanings(parent)
    body = ast.parse(textwrap.dedent(inspect.getsource(schema))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, behind in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(behind, ast.Expr):
            assert isinstance(behind.value, ast.Constant)
            found[field.target.id] = " ".join(str(behind.value.value).split())
    return found


def _written(value: Any) -> str:
    """A value as one writes it on a command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"[{','.join(map(_written, value))}]" if isinstance(value, list) else str(getattr(value, "name", value))
    return text or "''"


def _about(topics: Sequence[str], listed: list[Setting]) -> list[Setting]:
    known = {setting.name for setting in listed}
    known |= {name.rpartition(".")[0] for name in known} - {""}
    for topic in topics:
        if topic not in known:
            raise UserError(f"--help {topic}: there is no such group or setting{did_you_mean(topic, known)}")
    return [setting for setting in listed if any(f"{setting.name}.".startswith(f"{topic}.") for topic in topics)]


def _brief(listed: list[Setting]) -> Iterator[str]:
    """A line for each setting, as wide as the terminal; one for all of a part whose kind was there before."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 125
    group, last = "", ""
    for setting in listed:
        if group != (group := setting.name.partition(".")[0]) and "." in setting.name:
            yield ""
        named, meaning = f"{setting.name}={setting.value}", _first_sentence(setting.meaning)
        if setting.alike:
            named, meaning = (f"{part}.*" for part in setting.alike)
            meaning = f"as {meaning}"
        line = f"  {named:<44}  {meaning}".rstrip()
        if line != last:
            yield line if len(line) <= width else f"{line[: width - 1]}…"
        last = line


def _first_sentence(text: str) -> str:
    return re.split(r"(?<!e\.g)\. (?=[A-Z(])", text)[0].rstrip(".")


def _whole(listed: list[Setting]) -> Iterator[str]:
    for setting in listed:
        yield f"{setting.name}={setting.value}"
        yield from textwrap.wrap(setting.meaning, 100, initial_indent="    ", subsequent_indent="    ")
