"""Edge: corpora and evaluation prompts, from the embedded world or from a user's files, as one `Corpus`.

A corpus is parallel: one id is the same content in every language that has it. Adding a source is a function that returns
a `Corpus` and a line in `_load`. A corpus is read and checked once per process, as long as its files stay the same.
"""

from functools import lru_cache
from pathlib import Path

from pinch.config import DataConfig, DataSource
from pinch.corpora.corpus import Corpus, check, shorten
from pinch.corpora.jsonl import files, load_jsonl
from pinch.stamps import Stamp, stamps

__all__ = ["Corpus", "load"]


def load(data: DataConfig) -> Corpus:
    """The corpus that the settings name, checked. Raises UserError for whatever is wrong with a user's files."""
    names = () if data.source is DataSource.embedded else (str(data.corpus), str(data.prompts))
    read = stamps(file for name in names for file in files(Path(name)))
    return _shorten(_load(data.source, names, read), data.max_prompts)


@lru_cache(maxsize=4)
def _load(source: DataSource, names: tuple[str, ...], read: tuple[Stamp, ...]) -> Corpus:
    """`names` are the corpus and the prompts of a user, `read` the stamps of their files."""
    if source is DataSource.embedded:
        from pinch.corpora.tiny import load_embedded

        return check(load_embedded())
    corpus, prompts = names
    return check(load_jsonl(corpus, prompts))


_shorten = lru_cache(maxsize=8)(shorten)
