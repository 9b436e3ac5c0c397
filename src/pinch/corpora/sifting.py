"""Edge: what every source of a corpus goes through: lengths, overlap with the evaluation prompts, ids that languages lack.

Whatever is left out is left out in all languages, so that the corpus stays parallel, and is counted in `Corpus.losses`.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from pinch.config import DataConfig, Missing, Overlap
from pinch.corpora.corpus import Corpus, Examples
from pinch.errors import UserError
from pinch.records import Example

SHOWN = 3
"""Ids that a message names at most."""


def sift(corpus: Corpus, data: DataConfig) -> Corpus:
    """The corpus by the settings' policies; the same object when there is nothing to do."""
    if data.min_chars is not None or data.max_chars is not None:
        corpus = _without(corpus, _ids(corpus.examples, lambda row: _short_or_long(row, data)), "ids of another length")
    if data.overlap is Overlap.drop:
        exact, near = corpus.overlap(data.near)
        corpus = _without(corpus, exact, "ids whose instruction is an evaluation prompt")
        corpus = _without(corpus, near, "ids whose instruction is nearly an evaluation prompt")
    return _by_policy(corpus, data.missing)


def _short_or_long(row: Example, data: DataConfig) -> bool:
    whole = sum(len(instruction) + len(response) for instruction, response in row.turns)
    shortest = min(len(response) for _, response in row.turns)
    return shortest < (data.min_chars or 0) or (data.max_chars is not None and whole > data.max_chars)


def _ids(examples: Examples, wanted: Callable[[Example], bool]) -> set[str]:
    return {name for rows in examples.values() for name, row in rows.items() if wanted(row)}


def _without(corpus: Corpus, ids: Container[str], what: str) -> Corpus:
    kept = {
        code: {name: row for name, row in rows.items() if name not in ids} for code, rows in corpus.examples.items()
    }
    lost = len(set().union(*corpus.examples.values())) - len(set().union(*kept.values()))
    if lost and not any(kept.values()):
        raise UserError(
            f"{corpus.where}: nothing is left without {lost} {what}; loosen the data.* setting that asks for it"
        )
    if not lost:
        return corpus
    losses = {**corpus.losses, what: lost}
    if empty := sorted(code for code, rows in kept.items() if not rows):
        losses[f"languages without examples after that ({', '.join(empty)})"] = len(empty)
    return replace(corpus, examples={code: rows for code, rows in kept.items() if rows}, losses=losses)


def _by_policy(corpus: Corpus, policy: Missing) -> Corpus:
    if policy is Missing.drop_ids:
        return corpus  # Corpus.ids leaves them out
    examples = corpus.examples
    if policy is Missing.fail:
        every = set().union(*examples.values())
        lacking = {code: sorted(every - rows.keys()) for code, rows in examples.items() if every - rows.keys()}
        if lacking:
            raise UserError(
                f"{corpus.where}: not every id is in every language: {_listed(lacking)}; "
                "add them, or set data.missing=drop_ids or drop_languages"
            )
        return corpus
    fullest = examples[min(examples, key=lambda code: (-len(examples[code]), code != "en", code))]
    kept = {code: rows for code, rows in examples.items() if fullest.keys() <= rows.keys()}
    gone = [code for code in examples if code not in kept]
    what = f"languages that lack ids ({', '.join(sorted(gone))})"
    return replace(corpus, examples=kept, losses={**corpus.losses, what: len(gone)}) if gone else corpus


def _listed(lacking: Mapping[str, list[str]]) -> str:
    parts = []
    for code, names in sorted(lacking.items()):
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        parts.append(f"{code} lacks {', '.join(names[:SHOWN])}{more}")
    return "; ".join(parts)
