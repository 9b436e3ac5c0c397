"""Pure: the command lines that train a workspace's cells again, from the settings in their cell.yaml.

In: settings as plain dicts. Out: `python train.py` lines, cells that differ in share, language or seed only on one line.
Settings that a command line did not change are left out, as are those that change no weights.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch.config import AnalyzeConfig, DataSource, ExperimentConfig, MixtureConfig, TuningConfig
from pinch.mixture import add_languages

Settings = Mapping[str, Any]

OWN = {
    "mixture": ("budget", "spread", "allocation", "weights", "temperature", "nested", "seed"),
    "tuning": (
        "rank",
        "alpha",
        "lr",
        "epochs",
        "max_steps",
        "batch_size",
        "schedule",
        "warmup",
        "loss_unit",
        "max_length",
    ),
}
"""Settings that are named where they are not the schema's default."""


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
    model, data, tuning = settings["model"], settings["data"], settings["tuning"]
    parts = []
    if model["source"] != "embedded":
        parts.append(f"model={model['source']} model.path={model['path']}")
    if data["source"] != "embedded":
        parts.append(f"data={data['source']} data.corpus={data['corpus']} data.prompts={data['prompts']}")
    if tuning["method"] == "none":
        return " ".join([*parts, "tuning=none"])
    if tuning["method"] != "lora":
        parts.append(f"tuning={tuning['method']}")
    for group, usual in (("mixture", MixtureConfig()), ("tuning", TuningConfig())):
        for name in OWN[group]:
            value, default = settings[group].get(name), getattr(usual, name)
            if value != getattr(default, "value", default):
                parts.append(_quoted(f"{group}.{name}", value))
    return " ".join(parts)


def _quoted(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ",".join(f"{key}:{number:g}" for key, number in value.items())
        return f"'{name}={{{inside}}}'"
    return f"{name}={'null' if value is None else value}"


def _merged(found: Sequence[str]) -> list[str]:
    """Languages that are tuned on alone on one line, sets of several on a line each."""
    head = "languages=one languages.base="
    alone = [name.removeprefix(head) for name in found if name.startswith(head)]
    rest = [name for name in found if not name.startswith(head)]
    return ([head + ",".join(alone)] if alone else []) + rest


def _outside_quotes(line: str) -> str:
    """The line without what stands between quotes, where a comma is no sweep."""
    return "".join(part for at, part in enumerate(line.split("'")) if at % 2 == 0)
