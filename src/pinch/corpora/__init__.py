"""Edge: corpora and evaluation prompts, from the embedded world, a user's files or the Hub, as one `Corpus`.

A corpus is parallel: one id is the same content in every language that has it. Adding a source is a function that returns
a `Corpus` and a line in `_load`. A corpus is read and checked once per process, as long as its files stay the same.
"""

import dataclasses
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pinch.cells import digest, plain
from pinch.config import DataConfig, DataSource, Overlap
from pinch.corpora.corpus import Corpus, check, shorten
from pinch.corpora.jsonl import files, load_jsonl
from pinch.corpora.sifting import sift
from pinch.stamps import Stamp, stamps

__all__ = ["Corpus", "load"]

NOT_READ = {"name", "budget", "answer_tokens", "max_prompts"}
"""Settings that change nothing of what is read."""


def load(data: DataConfig, cache: Path | None = None) -> Corpus:
    """The corpus that the settings name, checked and sifted. `cache` is where tables of the Hub are kept; None: where
    PINCH_CACHE says, or ~/.cache/pinch. Raises UserError for whatever is wrong with a user's files."""
    place = cache or Path(os.environ.get("PINCH_CACHE") or Path.home() / ".cache" / "pinch").expanduser()
    settings = {name: value for name, value in plain(data).items() if name not in NOT_READ}
    asked = _Asked(digest([settings, str(place)], 32), data, place)
    return _shorten(_load(asked, stamps(_files(data))), data.max_prompts)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What to read, equal when the same would be read."""

    key: str
    data: DataConfig = dataclasses.field(compare=False)
    cache: Path = dataclasses.field(compare=False)


def _files(data: DataConfig) -> Iterator[Path]:
    """The files on this machine that are read."""
    if data.source is DataSource.embedded:
        return
    for name in (data.corpus if data.source is DataSource.jsonl else None, data.prompts):
        yield from files(Path(name)) if name else ()
    for table in (data.table, data.second, data.asked) if data.source is DataSource.hub else ():
        place = Path(table.path or "")
        if table.path and place.exists():
            yield from sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]


@lru_cache(maxsize=4)
def _load(asked: _Asked, read: tuple[Stamp, ...]) -> Corpus:
    """`read` are the stamps of the files."""
    data = asked.data
    corpus = sift(_source(data, asked.cache), data)
    if data.source is not DataSource.embedded and data.overlap is Overlap.report:
        corpus = dataclasses.replace(corpus, near=data.near)
    return check(corpus)


def _source(data: DataConfig, cache: Path) -> Corpus:
    if data.source is DataSource.embedded:
        from pinch.corpora.tiny import load_embedded

        return load_embedded()
    if data.source is DataSource.jsonl:
        return load_jsonl(str(data.corpus), str(data.prompts), data.turns)
    from pinch.corpora.hub import load_hub

    return load_hub(data, cache / "datasets")


_shorten = lru_cache(maxsize=8)(shorten)
