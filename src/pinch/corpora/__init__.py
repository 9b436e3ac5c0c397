"""Edge: corpora and evaluation prompts, from the embedded world or from a user's files, as one `Corpus`.

A corpus is parallel: one id is the same content in every language that has it. Adding a source is a function that returns
a `Corpus` and a line in `load`.
"""

from pinch.config import DataConfig, DataSource
from pinch.corpora.corpus import Corpus, check
from pinch.corpora.jsonl import load_jsonl

__all__ = ["Corpus", "load"]


def load(data: DataConfig) -> Corpus:
    """The corpus that the settings name, checked. Raises UserError for whatever is wrong with a user's files."""
    if data.source is DataSource.embedded:
        from pinch.corpora.tiny import load_embedded

        corpus = load_embedded()
    else:
        assert data.corpus is not None  # DataConfig has checked both
        assert data.prompts is not None
        corpus = load_jsonl(data.corpus, data.prompts)
    return check(corpus, data.max_prompts)
