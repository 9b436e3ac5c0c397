"""Doors: a user's mistake in one line: what is wrong, where, and the nearest name that exists."""

from typing import Any

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf

from pinch.config import SCHEMAS
from pinch.errors import PinchError, did_you_mean

ENGINES = {"submitit_slurm": "submitit", "submitit_local": "submitit", "ray": "ray", "joblib": "joblib"}
"""Launchers of other engines, and the extras that install them."""


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
    if first.startswith("Ambiguous value for argument"):
        word = first.partition("argument ")[2].strip("'")
        return f"{word}: several values are a sweep; add -m, or write name=[a,b] for one list"
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
    if group == "hydra/launcher" and name in ENGINES:
        return f"{group}={name}: not installed; pip install -e '.[{ENGINES[name]}]' (docs/clusters.md)"
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
