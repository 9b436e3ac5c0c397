"""Doors: from the words of a command line to settings, one job or a thousand.

Composing with Hydra takes a tenth of a second a job. Jobs of a sweep that choose the same options of the config groups share
one composition; what is left, single values, is set in it as Hydra itself would do it, and taken back for the next job.
Whatever is not as simple as that goes through Hydra.
"""

import copy
import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from pinch.config import ExperimentConfig, TrainConfig, Wish
from pinch.errors import PinchError, UserError, did_you_mean
from pinch.explain import explain


def wishes(loader: ConfigLoader, config: DictConfig, overrides: Sequence[Sequence[str]]) -> list[Wish]:
    """What each job of a multirun asks for, in their order: its settings, or why they cannot be. `config` is the multirun's
    own composed config; Hydra's `load_sweep_config` is what this is a faster way of."""
    composer = _Composer(loader, config)
    return [composer.wish(list(words)) for words in overrides]


def job_settings(composed: DictConfig) -> Any:
    """The composed config as its dataclass, checked by `__post_init__`; what +name=value added to it is refused."""
    _refuse_additions(composed, "")
    return _of_a_cell(OmegaConf.to_object(composed))


class _Composer:
    """Composes the jobs of one multirun."""

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self._loader, self._config = loader, config
        self._groups = set(loader.list_groups(""))
        self._parser = OverridesParser.create(config_loader=loader)
        self._base = cache(self._compose)
        self._before = cache(lambda options, name: _raw(self._base(options), name))
        self._value = cache(lambda word: self._parser.parse_override(word).value())

    def wish(self, words: list[str]) -> Wish:
        try:
            settings: TrainConfig = self._quick(words) or job_settings(self._compose(tuple(words)))
        except (PinchError, HydraException, OmegaConfBaseException) as error:
            return Wish(words, None, explain(error, words))
        return Wish(words, settings)

    def _quick(self, words: list[str]) -> TrainConfig | None:
        """The settings from the options' composition, with the single values set in it for as long as it takes; None when
        it takes Hydra to do or to refuse it."""
        if any(not word[:1].isalpha() or "@" in word for word in words):  # + and ~ change the composition itself
            return None
        options = tuple(word for word in words if self._is_option(word))
        before: dict[str, Any] = {}
        try:
            composed = self._base(options)
            try:
                for word in words:
                    if word not in options:
                        name = word.partition("=")[0]
                        before[name] = self._before(options, name)
                        OmegaConf.update(composed, name, copy.copy(self._value(word)), merge=True)
            except (HydraException, OmegaConfBaseException, KeyError, ValueError):
                return None
            settings: TrainConfig = _of_a_cell(OmegaConf.to_object(composed))
            return settings
        finally:
            for name, value in before.items():
                OmegaConf.update(composed, name, value, merge=False)

    def _is_option(self, word: str) -> bool:
        name = word.partition("=")[0]
        return name in self._groups or "/" in name or name.startswith("hydra")

    def _compose(self, words: tuple[str, ...]) -> DictConfig:
        composed = self._loader.load_sweep_config(self._config, list(words))
        with open_dict(composed):
            del composed["hydra"]
        return composed


def _of_a_cell(settings: Any) -> Any:
    """The settings, refused where they speak of an experiment: that is cells, not a cell."""
    experiment = getattr(settings, "experiment", None)
    if experiment and experiment.parts:
        raise UserError(f"experiment {experiment.name}: only hydra/sweeper=pinch makes cells of an experiment")
    if experiment and experiment != ExperimentConfig():
        raise UserError("there are settings of an experiment, and no experiment; add +experiment=NAME")
    return settings


def _raw(composed: DictConfig, name: str) -> Any:
    """The value of a setting as it stands there, interpolations as their text. Raises KeyError when there is none."""
    section, _, leaf = name.rpartition(".")
    node = OmegaConf.select(composed, section) if section else composed
    if not OmegaConf.is_dict(node):
        raise KeyError(name)
    values: Any = OmegaConf.to_container(node, resolve=False)
    return values[leaf]


def _refuse_additions(node: DictConfig, prefix: str) -> None:
    """Raise UserError for a key that the schema of its node does not have; Hydra lets + add any."""
    schema = OmegaConf.get_type(node)
    if not (isinstance(schema, type) and dataclasses.is_dataclass(schema)):
        return
    known = {field.name for field in dataclasses.fields(schema)}
    for name in map(str, node):
        if name not in known:
            raise UserError(f"{prefix}{name}: there is no such setting{did_you_mean(name, known)}")
        if OmegaConf.is_dict(node._get_node(name)):
            _refuse_additions(node[name], f"{prefix}{name}.")
