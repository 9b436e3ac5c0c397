"""Doors: the cells of an experiment, which are more than one grid, in the words of a command line.

    python train.py +experiment=pinch_six seed=0,1,2

An experiment (conf/experiment/, typed by pinch.config.ExperimentConfig) is a list of parts; a part is sets of tuning
languages, each at every one of its points; a point is a product of settings. Every job of the user's own grid is multiplied
with all of them. Cells that several parts mean are found later, by what they are (pinch.jobs).
"""

import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pinch.config import ExperimentConfig, PartConfig, TunedOn
from pinch.errors import UserError

Words = dict[str, str]
"""Settings of a job by name, their values as on a command line."""

INSTEAD = {
    "languages": "experiment.languages or experiment.few",
    "languages.tuning": "experiment.languages or experiment.few",
    "languages.pool": "experiment.few",
    "languages.base": "experiment.base",
    "languages.permutation": "experiment.permutations",
    "languages.count": "experiment.few",
    "mixture": "experiment.fractions or experiment.pinches",
    "mixture.fraction": "experiment.fractions",
    "mixture.count": "experiment.pinches",
}
"""What to set instead of what an experiment sets."""

PLAIN = re.compile(r"[\w.+/-]+")
"""Texts that need no quotes in an override."""


def jobs(experiment: DictConfig, typed: Sequence[Sequence[str]]) -> list[list[str]]:
    """The words of every job, for each of those that the command line makes without the experiment; these as they are when
    there is none. Raises UserError for an experiment that cannot be, or whose own settings are swept."""
    own: list[set[str]] = [{word for word in words if _names_experiment(word)} for words in typed]
    if any(words != own[0] for words in own):
        swept = min(own[0] ^ next(words for words in own if words != own[0])).partition("=")[0]
        raise UserError(
            f"{swept}: the settings of an experiment are no axes of a sweep; give one value, "
            "and several experiments as +experiment=[NAME,NAME]"
        )
    settings: ExperimentConfig = OmegaConf.to_object(experiment)  # type: ignore[assignment]
    if not settings.parts:
        return [list(words) for words in typed]
    expanded = expand(settings)
    return [_joined(cell, words, settings.name) for words in typed for cell in expanded]


def expand(experiment: ExperimentConfig) -> list[Words]:
    """The settings of every cell of an experiment, part by part; cells that several parts mean are in it several times."""
    found = []
    for name, part in experiment.parts.items():
        for languages in _languages(experiment, part, f"experiment.parts.{name}"):
            for point in part.points:
                found += [languages | setting for setting in _product(point)]
    return found


def random_pairs(languages: Sequence[str], number: int | None, seed: int) -> list[tuple[str, str]]:
    """Pairs of the languages, no pair twice: from one random split into pairs after the other until there are `number`;
    those of one split when None. The order of the languages does not matter.

    Raises UserError for more pairs than there are."""
    most = len(languages) * (len(languages) - 1) // 2
    wanted = len(languages) // 2 if number is None else number
    if wanted > most:
        raise UserError(f"experiment.pairs={wanted} is more than {len(languages)} languages have ({most}); lower it")
    generator = random.Random(f"pairs/{seed}")
    found: dict[tuple[str, str], None] = {}
    while len(found) < wanted:
        order = sorted(languages)
        generator.shuffle(order)
        for one, other in zip(order[::2], order[1::2], strict=False):
            found[min(one, other), max(one, other)] = None
    return list(found)[:wanted]


def _languages(experiment: ExperimentConfig, part: PartConfig, where: str) -> Iterator[Words]:
    """The sets of tuning languages of a part."""
    kind, base = part.tuned_on, experiment.base
    evaluation = part.evaluation or ([] if kind is TunedOn.named else experiment.languages)
    shared = {"languages.evaluation": _text(evaluation)} if evaluation else {}
    if kind is TunedOn.named or kind is TunedOn.nothing:
        yield shared if kind is TunedOn.named else {"tuning": "none"} | shared
        return
    if not part.languages:
        raise UserError(f"{where}.languages is empty; name the languages that tuned_on={kind.value} speaks of")
    if kind in (TunedOn.together, TunedOn.adding) and base not in part.languages:
        raise UserError(
            f"{where}: the base language {base!r} is not among {', '.join(part.languages)}; "
            "set experiment.few and experiment.languages to lists with it, or another experiment.base"
        )
    for chosen in _sets(experiment, part):
        yield {"languages": "one"} | chosen | shared


def _sets(experiment: ExperimentConfig, part: PartConfig) -> Iterator[Words]:
    base, names = {"languages.base": experiment.base}, part.languages
    if part.tuned_on is TunedOn.alone:
        yield from ({"languages.base": code} for code in names)
    elif part.tuned_on is TunedOn.together:
        others = [code for code in names if code != experiment.base]
        yield base | {"languages.tuning": _text([experiment.base, *others])}
    elif part.tuned_on is TunedOn.adding:
        for count, order in itertools.product(range(1, len(names) + 1), range(experiment.permutations)):
            added = {"languages.count": str(count), "languages.permutation": str(order)}
            yield base | {"languages.pool": _text(names)} | added
    else:
        for pair in random_pairs(names, experiment.pairs, experiment.seed):
            yield base | {"languages.tuning": _text(list(pair))}


def _product(point: Mapping[str, Any]) -> list[Words]:
    axes = [[(name, _text(value)) for value in _values(given)] for name, given in point.items()]
    return [dict(chosen) for chosen in itertools.product(*axes)]


def _values(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list) else [given]


def _text(value: Any) -> str:
    """A value as Hydra reads it on a command line."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_text(entry) for entry in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{_text(entry)}' for name, entry in value.items())}}}"
    if isinstance(value, str) and not PLAIN.fullmatch(value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)


def _joined(cell: Words, typed: Sequence[str], name: str) -> list[str]:
    """A job's words: the cell's, and those typed. Raises UserError where both set the same."""
    given = {word.partition("=")[0].lstrip("+"): word for word in typed if not _names_experiment(word)}
    kept = {"tracking.group": _text(name)} | cell
    for key in given.keys() & {"languages.evaluation", "tracking.group"}:
        kept.pop(key, None)  # the command line has the last word
    if cell.get("tuning") == "none":
        given.pop("tuning", None)
    for key in given:
        if key in kept or _other_languages(key, cell):
            instead = INSTEAD.get(key, "another +experiment=NAME")
            raise UserError(f"{key}: the experiment {name} sets it for each of its cells; use {instead}")
    return [*(f"{key}={value}" for key, value in kept.items()), *given.values()]


def _other_languages(key: str, cell: Words) -> bool:
    """Whether a setting would change the tuning languages of a cell that has its own."""
    return key in INSTEAD and key.startswith("languages") and "languages" in cell


def _names_experiment(word: str) -> bool:
    return word.lstrip("+~").startswith(("experiment=", "experiment."))
