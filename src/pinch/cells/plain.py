"""Edge: settings and records as plain values, and digests of them."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any


def plain(settings: Any) -> Any:
    """Dataclasses, enums and tuples as dicts, strings and lists, ready for YAML, JSON and trackers. What is no setting of a
    single cell (`metadata={"of": "sweeps"}`) is left out."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        own = [field.name for field in dataclasses.fields(settings) if field.metadata.get("of") != "sweeps"]
        return {name: plain(getattr(settings, name)) for name in own}
    if isinstance(settings, Mapping):
        return {str(key): plain(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [plain(value) for value in settings]
    return unwrapped(settings)


def unwrapped(value: Any) -> Any:
    """The value of an enum member, anything else as it is."""
    return value.value if isinstance(value, Enum) else value


def digest(value: Any, length: int = 10) -> str:
    """First hex digits of the SHA-256 of a JSON-like value, independent of the order of dict keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no place in an identity")
