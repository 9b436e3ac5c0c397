"""Edge: the prompts and word lists that answers belong to, kept beside the cells once per content."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pinch.cells.lock import exclusive
from pinch.cells.plain import digest
from pinch.cells.status import tidy_file
from pinch.records import Prompt, read_jsonl, to_line, write_json, write_jsonl


def prompts_digest(prompts: Iterable[Prompt]) -> str:
    """Digest of one language's prompts in their order: answers belong to exactly these."""
    return digest([to_line(prompt) for prompt in prompts], 12)


def store_prompts(workspace: Path, language: str, prompts: list[Prompt]) -> str:
    """Keep one language's prompts beside the cells, once per content; gives their digest."""
    name = prompts_digest(prompts)
    path = workspace / "prompts" / f"{language}-{name}.jsonl"
    _keep(workspace, path, lambda: write_jsonl(path, prompts))
    return name


def load_prompts(workspace: Path, language: str, name: str) -> list[Prompt]:
    """The prompts kept under a digest."""
    return read_jsonl(workspace / "prompts" / f"{language}-{name}.jsonl", lambda row: Prompt(**row))


def store_lexicon(workspace: Path, lexicon: Mapping[str, Iterable[str]] | None) -> str | None:
    """Keep a corpus' word lists (language -> closed vocabulary), by which very short answers are told apart."""
    if not lexicon:
        return None
    words = {code: sorted(lexicon[code]) for code in sorted(lexicon)}
    name = digest(words, 12)
    path = workspace / "prompts" / f"lexicon-{name}.json"
    _keep(workspace, path, lambda: write_json(path, words))
    return name


def load_lexicon(workspace: Path, name: str | None) -> dict[str, frozenset[str]]:
    """The word lists kept under a digest; empty for None."""
    if name is None:
        return {}
    words = json.loads((workspace / "prompts" / f"lexicon-{name}.json").read_text(encoding="utf-8"))
    return {code: frozenset(entries) for code, entries in words.items()}


def _keep(workspace: Path, path: Path, write: Callable[[], None]) -> None:
    """Write a file that is named after its content, unless it is there."""
    if not path.exists():
        with exclusive(workspace, "prompts"):
            tidy_file(path)
            write()
