"""Pure: the command lines that train a workspace's cells again, from the settings in their cell.yaml.

In: settings as plain dicts. Out: `python train.py` lines, cells that differ in share, language or seed only on one line.
Settings that a command line did not change are left out, as are those that change no weights.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from pinch.config import (
    AnalyzeConfig,
    DataConfig,
    DataSource,
    ExperimentConfig,
    GenerationConfig,
    MixtureConfig,
    ModelConfig,
    ModelSource,
    TableConfig,
    TuningConfig,
)
from pinch.mixture import add_languages

Settings = Mapping[str, Any]

ELSEWHERE = {
    "model": {"source", "threads", "note"},
    "data": {"source", "name", "prompts", "corpus", "second"},
    "mixture": {"name", "fraction", "count", "counts"},
    "tuning": {"name", "method", "micro_batch", "packing", "gradient_checkpointing"},
    "generation": {"name", "engine", "max_new_tokens", "batch_size", "server"},
}
"""Settings that are named in a way of their own, or that change neither weights nor answers."""

ASKED = {"path", "files", "prefix", "columns.language", "columns.instruction"}
"""Of data=hub, what the option sets of the table of prompts: it is named in any case."""


def command(script: str, workspace: Path, arguments: str = "") -> str:
    """A command line for this workspace; workspace and root are named only where they are not the default."""
    parts = ["python", script, arguments]
    defaults = AnalyzeConfig()
    if workspace.name != defaults.workspace:
        parts.append(f"workspace={workspace.name}")
    if str(workspace.parent) != defaults.root:
        parts.append(f"root={workspace.parent}")
    return " ".join(part for part in parts if part)


def train_commands(every: Sequence[Settings], workspace: Path) -> list[str]:
    """Lines that train these cells again; several values of one setting make it a sweep (-m)."""
    seeds: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    for settings in every:
        name, value = _share(settings)
        seeds[_languages(settings), _others(settings), name, value].add(int(settings["seed"]))
    shares: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for (languages, others, name, value), found in seeds.items():
        shares[languages, others, name, ",".join(str(seed) for seed in sorted(found))].append(value)
    sets: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (languages, others, name, found_seeds), values in shares.items():
        ordered = ",".join(sorted(values, key=_size))
        sets[others, f"{name}={ordered}" if name else "", found_seeds].append(languages)
    lines = []
    for (others, share, found_seeds), names in sets.items():
        for languages in _merged(names):
            seed = "" if found_seeds == "0" else f"seed={found_seeds}"
            line = " ".join(part for part in (languages, share, seed, others) if part)
            lines.append(command("train.py", workspace, f"-m {line}" if "," in _outside_quotes(line) else line))
    return lines


def experiment_command(
    arguments: str, settings: Settings, seeds: Iterable[int], evaluated: Sequence[str], workspace: Path
) -> str:
    """The line that makes what a figure lacks, `arguments` naming an experiment: with the settings of the family's other
    cells, so that what is there is not made again, and with the languages that this study has."""
    everything = settings["data"]["source"] == DataSource.embedded.value  # it has all languages of all experiments
    own = [] if everything else [word for word in _of_study(arguments, evaluated) if word[:16] not in arguments]
    parts = [arguments, *own, _others({**settings, "mixture": _without_spread(settings)})]
    known = ",".join(str(seed) for seed in sorted(seeds))
    return command(
        "train.py", workspace, " ".join([*filter(None, parts), *([f"seed={known}"] if known != "0" else [])])
    )


def _of_study(arguments: str, evaluated: Sequence[str]) -> list[str]:
    """The experiment's languages, where the study does not have those that it would take."""
    name = arguments.split()[0].partition("=")[2]
    usual = ExperimentConfig()
    needs = {"languages": usual.languages, "few": usual.few, "relatives": usual.relatives}
    kinds = {"slavic": ["relatives"], "pinch_six": ["languages", "few"], "language_count": ["languages", "few"]}
    said = []
    for kind in kinds.get(name, ["languages"]):
        there = [code for code in needs[kind] if code in evaluated]
        if len(there) < len(needs[kind]) and kind == "languages":
            there = list(evaluated)
        if len(there) < 2 and kind == "few":
            there = list(evaluated[: max(2, len(evaluated) // 2)])
        if len(there) != len(needs[kind]):
            said.append(f"'experiment.{kind}=[{','.join(there)}]'")
    return said


def _without_spread(settings: Settings) -> dict[str, Any]:
    """The mixture's settings without those that experiments make themselves."""
    return {**settings["mixture"], "spread": MixtureConfig().spread.value}


def _size(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0


def _languages(settings: Settings) -> str:
    """How the cell's tuning languages are named on the command line, in their order; nothing for the untuned model."""
    languages = settings["languages"]
    if settings["tuning"]["method"] == "none":
        return ""
    tuning = languages["tuning"] or add_languages(
        languages["base"], languages["pool"], languages["count"], languages["permutation"]
    )
    if list(tuning) == [languages["base"]]:
        return f"languages=one languages.base={languages['base']}"
    base = "" if languages["base"] == "en" else f" languages.base={languages['base']}"
    return f"'languages.tuning=[{','.join(tuning)}]'{base}"


def _share(settings: Settings) -> tuple[str, str]:
    """The mixture's size as it was asked for, as name and value; nothing for one language, where it does not matter."""
    wish = settings["mixture"]
    if not _languages(settings).startswith("'"):
        return "", ""
    if wish["counts"] is not None:
        inside = ",".join(f"{code}:{number}" for code, number in wish["counts"].items())
        return "'mixture.counts", f"{{{inside}}}'"
    if wish["count"] is not None:
        return "mixture.count", f"{wish['count']:g}"
    return "mixture.fraction", f"{1 if wish['fraction'] is None else wish['fraction']:g}"


def _others(settings: Settings) -> str:
    """Model, data, method, and what is not as the schema has it."""
    method = settings["tuning"]["method"]
    words = [*_of_model(settings["model"]), *_of_data(settings["data"])]
    words += [f"tuning={method}"] if method != "lora" else []
    if method != "none":
        words += _differing("mixture", settings["mixture"], MixtureConfig())
        words += _differing("tuning", settings["tuning"], TuningConfig())
    generation = settings.get("generation", {})
    if generation.get("max_new_tokens") not in (None, settings["data"].get("answer_tokens")):
        words.append(_word("generation.max_new_tokens", generation["max_new_tokens"]))
    return " ".join([*words, *_differing("generation", generation, GenerationConfig())])


def _of_model(model: Settings) -> list[str]:
    if model["source"] == ModelSource.embedded.value:
        return []
    return [f"model={model['source']}", *_differing("model", model, ModelConfig())]


def _of_data(data: Settings) -> list[str]:
    """For the embedded corpus, which is chosen as a whole, only how many of its prompts are asked."""
    if data["source"] == DataSource.embedded.value:
        return [_word("data.max_prompts", data["max_prompts"])] if data.get("max_prompts") else []
    words = [f"data={data['source']}"]
    words += [_word(f"data.{name}", data[name]) for name in ("corpus", "prompts") if data.get(name) is not None]
    words += [_word("data.name", data["name"])] if data["name"] not in (data["source"], DataConfig().name) else []
    words += _differing("data", data, DataConfig())
    if (data.get("second") or {}).get("path"):
        words += _differing("data.second", data["second"], TableConfig())
    known = {word.strip("'\"").partition("=")[0] for word in words}
    if data["source"] == DataSource.hub.value and data["asked"]["path"]:
        missing = [name for name in sorted(ASKED) if f"data.asked.{name}" not in known]
        words += [_word(f"data.asked.{name}", _leaf(data["asked"], name)) for name in missing]
    return words


def _differing(name: str, values: Settings, usual: Any) -> list[str]:
    """The settings of a group, and of its parts, that are not the schema's default."""
    words = []
    for field, value in values.items():
        default = getattr(usual, field, None)
        default = getattr(default, "value", default)
        if field in ELSEWHERE.get(name, ()):
            continue
        if is_dataclass(default):
            words += _differing(f"{name}.{field}", value, default)
        elif value != default:
            words.append(_word(f"{name}.{field}", value))
    return words


def _leaf(values: Settings, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def _word(name: str, value: Any) -> str:
    """A setting as one types it: in the shell's quotes where it needs some, its texts in Hydra's."""
    word = f"{name}={_written(value)}"
    if re.fullmatch(r"[\w./:=+@%-]+", word):
        return word
    return f'"{word}"' if "'" in word else f"'{word}'"


def _written(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{_written(number)}' for key, number in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if not isinstance(value, str) or re.fullmatch(r"[\w./:+@%-]+", text) else f"'{text}'"


def _merged(found: Sequence[str]) -> list[str]:
    """Languages that are tuned on alone on one line, sets of several on a line each."""
    head = "languages=one languages.base="
    alone = [name.removeprefix(head) for name in found if name.startswith(head)]
    rest = [name for name in found if not name.startswith(head)]
    return ([head + ",".join(alone)] if alone else []) + rest


def _outside_quotes(line: str) -> str:
    """The line without what stands between quotes, where a comma is no sweep."""
    return "".join(part for at, part in enumerate(line.split("'")) if at % 2 == 0)
