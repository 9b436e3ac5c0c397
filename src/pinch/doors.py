"""The way in: what train.py, evaluate.py and analyze.py share. Compose the settings, hand over, exit.

Hydra composes conf/<door>.yaml and the command line against the schema in pinch.config; the config crosses the border
here, once. A user's mistake ends in one line and exit code 2; PINCH_DEBUG=1 shows the traceback instead.
"""

import dataclasses
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pinch.config import SCHEMAS
from pinch.errors import PinchError, UserError, did_you_mean

CONF = Path(__file__).resolve().parents[2] / "conf"


def main(door: str) -> int:
    """Run a door with the command line's arguments; gives the exit code."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_schema", node=schema)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and `explain` says it in one line
    warnings.showwarning = _one_line_warning
    notes = logging.StreamHandler()
    notes.setFormatter(logging.Formatter("note: %(message)s"))
    logging.getLogger("pinch").addHandler(notes)
    composed: list[
        DictConfig
    ] = []  # the work is done outside of Hydra's task, whose failures Hydra words in its own way
    try:
        hydra.main(config_path=str(CONF), config_name=door, version_base="1.3")(composed.append)()
        return _hand_over(door, job_settings(composed[0])) if composed else 0
    except KeyboardInterrupt:
        return _fail("stopped; what is finished is kept, the same command goes on from there", 130)
    except (PinchError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get("PINCH_DEBUG"):
            raise
        return _fail(explain(error, sys.argv[1:]), 2)


def job_settings(composed: DictConfig) -> Any:
    """The composed config as its dataclass, checked by `__post_init__`; what +name=value added to it is refused."""
    _refuse_additions(composed, "")
    return OmegaConf.to_object(composed)


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


def _hand_over(door: str, settings: Any) -> int:
    if door == "train":
        from pinch.sweep import sweep

        return sweep([settings])
    if door == "evaluate":
        from pinch.evaluate import evaluate

        return evaluate(settings)
    from pinch.analyze import analyze

    return analyze(settings)


def _fail(line: str, code: int) -> int:
    print(f"error: {line}", file=sys.stderr)
    return code


def _one_line_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"note: {message}", file=sys.stderr)


def explain(error: BaseException, arguments: list[str]) -> str:
    """One line for what went wrong: what, where, and the nearest name that exists."""
    cause = error.__cause__ or error
    if isinstance(error, PinchError):
        return " ".join(str(error).split("\n"))
    if isinstance(cause, PinchError):
        return str(cause)
    if isinstance(error, MissingConfigException):
        return _unknown_option(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}; check the path, its permissions and the disk"
    if isinstance(error, OverrideParseException):
        words = str(error).split("\n")[0].split(" expecting ")[0]
        return f"{error.override}: cannot be read as an argument ({words}); write name=value, quote lists for the shell"
    key = getattr(cause, "full_key", None) or getattr(cause, "key", None)
    lines = [line.strip() for line in str(cause).split("\n") if line.strip()]
    first = lines[0] if lines else type(cause).__name__
    if (
        "is not in struct" in first
        or ("not in" in first and "Key" in first)
        or "No match in the defaults list" in first
    ):
        return _unknown_key(error, cause, arguments)
    return f"{key}: {first}" if key and str(key) not in first else first


def _unknown_option(error: MissingConfigException) -> str:
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    if group == "languages" and name:
        return _unknown_language_group(name, list(error.options or ()))
    if not group:
        return f"there is no config {name!r}"
    return f"{group}={name}: there is no such option{did_you_mean(name, error.options or ())}"


def _unknown_language_group(name: str, options: list[str]) -> str:
    from pinch.languages import ALIASES, LANGUAGES

    if name in LANGUAGES or name in ALIASES:
        return (
            f"languages={name}: {name} is one language, not a group; say languages=one languages.base={name}, "
            f"or languages.tuning=[en,{name}]"
        )
    return f"languages={name}: there is no such group{did_you_mean(name, options)}"


def _unknown_key(error: BaseException, cause: BaseException, arguments: list[str]) -> str:
    known = _keys()
    for argument in arguments:
        name = argument.lstrip("+~").split("=", 1)[0]
        if "=" in argument and name.split("@")[0] not in known and not name.startswith(("hydra", "-")):
            return f"{name}: there is no such setting{_near_key(name, known)}"
    return str(cause).split("\n")[0]


def _near_key(name: str, known: set[str]) -> str:
    parent = name.rpartition(".")[0]
    siblings = [key for key in known if key.rpartition(".")[0] == parent]
    nearest = did_you_mean(name, known)
    return nearest if "did you mean" in nearest or not siblings else did_you_mean(name, siblings)


def _keys() -> set[str]:
    """Every dotted name that a door's schema knows, groups included."""
    found: set[str] = set()

    def walk(prefix: str, node: Any) -> None:
        for name in node:
            found.add(f"{prefix}{name}")
            if OmegaConf.is_dict(node._get_node(name)):
                walk(f"{prefix}{name}.", node._get_node(name))

    for schema in SCHEMAS.values():
        walk("", OmegaConf.structured(schema))
    return found
