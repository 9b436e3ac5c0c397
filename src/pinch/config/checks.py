"""Shapes: checks of values that several settings share. Each raises UserError, one line, with the name of the setting."""

from typing import Any

from pinch.errors import UserError
from pinch.languages import canonical


def check_workspace(name: str) -> None:
    """A workspace is one folder name. Raises UserError for anything that would leave `root`."""
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise UserError(f"workspace={name!r} must be a plain folder name, without slashes")


def per_language(name: str, given: Any, kind: Any) -> dict[str, Any] | None:
    """A {language: number} setting with canonical codes. Raises UserError for anything else."""
    if given is None:
        return None
    if not isinstance(given, dict) or any(isinstance(n, bool) or not isinstance(n, kind) for n in given.values()):
        whole = "whole " if kind is int else ""
        raise UserError(f"{name}={given} must give a {whole}number per language, e.g. '{name}={{en: 10, fi: 5}}'")
    return {canonical(str(code), name): number for code, number in given.items()}


def positive(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise UserError(f"{name}={value} must be 1 or more")


def check_confidence(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UserError(f"{name}={value} must lie between 0 and 1, e.g. 0.95")
