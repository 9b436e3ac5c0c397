"""The embedded world: a small set of facts that can be asked and answered in 18 languages.

In: `names.json` (Unicode CLDR names and facts, see `LICENSE.unicode`) and `templates.json` (hand-written phrasings). Out:
the parallel corpus, the held-out prompts and the closed vocabulary of each language. Everything is pure and
deterministic and needs no torch.

An *item* is one (task, concepts) pair, for example (sum, 3 and 4). Items are held out whole: a prompt's item occurs in the
corpus in no language and no phrasing.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

LANGUAGES: tuple[str, ...] = (
    "en", "ar", "zh-Hans", "cs", "et", "fi", "he", "hi", "it",
    "ru", "es", "sw", "sr-Cyrl", "sr-Latn", "hr", "sl", "pl", "sk",
)  # fmt: skip
"""The paper's twelve first, then what its Slavic study adds (Serbian in both scripts: the same content)."""

TERRITORIES: tuple[str, ...] = (
    "DE", "FR", "ES", "IT", "GB", "RU", "FI", "EE", "CZ", "PL", "RS",
    "CN", "JP", "IN", "TR", "IL", "EG", "KE", "US", "CA", "MX", "BR",
)  # fmt: skip
"""The known world: few enough that a tiny base model meets every fact often in every language."""

YEARS = range(2001, 2051)
"""Years of the dates asked about; only the month of a date matters."""

LARGEST_TERM = 10
"""Terms of the sums run from 0 to this, so that every sum has a word in `templates.json`."""

HELD_OUT: dict[str, int] = {
    "month_of_date": 60, "category": 34, "choice": 40, "code": 13, "number": 5, "sum": 20,
    "currency_of": 7, "language_of": 7, "continent_of": 7, "country_of": 6,
    "next_month": 3, "previous_month": 3, "next_day": 2, "previous_day": 2,
}  # fmt: skip
"""Concepts per task that only the prompts ask about, chosen by hash. The keys are the tasks of this world."""

Term = tuple[str, str]
"""(kind, key): kind is a section of `names.json`, or number, category, or literal (the key itself)."""

Row = tuple[str, str, str, str]
"""(id, language, instruction, response or reference)."""


@dataclass(frozen=True)
class Item:
    """One question of the world, in no language: fill `slots` into a phrasing of `task`, and `answer` is right."""

    task: str
    key: str
    slots: tuple[tuple[str, Term], ...]
    answer: Term

    @property
    def concept(self) -> str:
        """What is held out together: a sum in both orders, a choice with all wrong alternatives."""
        if self.task == "sum":
            return f"sum/{'+'.join(sorted(self.key.split('+')))}"
        return f"{self.task}/{self.key.split('|')[0]}"


@functools.cache
def data(name: str) -> dict[str, Any]:
    """The committed JSON file of this name, beside this module."""
    return dict(json.loads(resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")))


def say(term: Term, language: str) -> str:
    """The term as a word or phrase of the language."""
    kind, key = term
    if kind == "literal":
        return key
    if kind == "number":
        return str(data("templates")["numbers"][language][int(key)])
    if kind == "category":
        return str(data("templates")["categories"][key][language])
    return str(data("names")["names"][kind][key][language])


def question(item: Item, language: str, phrasing: int) -> str:
    """The item asked in one of the language's phrasings."""
    template = data("templates")["tasks"][item.task][language]["questions"][phrasing]
    return _fill(template, item, language)


def statement(item: Item, language: str, phrasing: int) -> str:
    """The item told as a sentence, answer included."""
    template = data("templates")["tasks"][item.task][language]["statements"][phrasing]
    return _fill(template, item, language).replace("{y}", say(item.answer, language))


def phrasings(task: str) -> int:
    """How many parallel question phrasings the task has (the same number in every language)."""
    return min(len(data("templates")["tasks"][task][language]["questions"]) for language in LANGUAGES)


def _fill(template: str, item: Item, language: str) -> str:
    for slot, term in item.slots:
        template = template.replace("{" + slot + "}", say(term, language))
    return template


@functools.cache
def items() -> tuple[Item, ...]:
    """Every item of the world, task by task."""
    return tuple(item for task in HELD_OUT for item in _items_of(task))


def _items_of(task: str) -> Iterator[Item]:
    """The items of one task, in a fixed order."""
    if task == "month_of_date":
        for year, month in itertools.product(YEARS, range(1, 13)):
            yield _one(task, ("literal", f"{year}-{month:02d}"), ("month", str(month)))
    elif task == "sum":
        for a, b in itertools.product(range(LARGEST_TERM + 1), repeat=2):
            slots = (("a", ("literal", str(a))), ("b", ("literal", str(b))))
            yield Item(task, f"{a}+{b}", slots, ("number", str(a + b)))
    elif task == "number":
        for value in range(2 * LARGEST_TERM + 1):
            yield _one(task, ("literal", str(value)), ("number", str(value)))
    elif task == "choice":
        yield from _choices()
    elif task == "category":
        for term in _named():
            yield Item(task, "_".join(term).replace("/", "_"), (("x", term),), ("category", term[0]))
    elif task == "code":
        yield from (_one(task, ("literal", code), (kind, code)) for kind, code in _named() if kind in _CODED)
    elif task.startswith(("next_", "previous_")):
        yield from _neighbours(task)
    else:
        asked = "city" if task == "country_of" else "territory"
        answers = {"currency_of": "currency", "language_of": "language", "continent_of": "continent"}
        for key, answer in data("names")["facts"][task].items():
            if (asked, key) in _named():
                yield _one(task, (asked, key), (answers.get(task, "territory"), answer))


_CODED = ("territory", "currency")
"""Kinds whose keys are codes that people write (ISO 3166-1 alpha-2, ISO 4217)."""


def _one(task: str, slot: Term, answer: Term) -> Item:
    return Item(task, slot[1].replace("/", "_"), (("x", slot),), answer)


def _choices() -> Iterator[Item]:
    """Every named concept with its category and each wrong one; which comes first is by hash."""
    kinds = dict.fromkeys(kind for kind, _ in _named())
    for term in _named():
        for wrong in kinds:
            if wrong != term[0]:
                key = f"{'_'.join(term).replace('/', '_')}|{wrong}"
                a, b = sorted((term[0], wrong), key=lambda kind: _order(f"{key} {kind}"))
                yield Item(
                    "choice", key, (("x", term), ("a", ("category", a)), ("b", ("category", b))), ("category", term[0])
                )


def _neighbours(task: str) -> Iterator[Item]:
    kind = "month" if task.endswith("month") else "weekday"
    keys = list(data("names")["names"][kind])
    step = 1 if task.startswith("next") else -1
    for place, key in enumerate(keys):
        yield _one(task, (kind, key), (kind, keys[(place + step) % len(keys)]))


@functools.cache
def _named() -> tuple[Term, ...]:
    """The named concepts: the territories, and what the facts say of them."""
    facts = data("names")["facts"]
    known = [("territory", key) for key in TERRITORIES]
    for task, kind in (("currency_of", "currency"), ("language_of", "language"), ("continent_of", "continent")):
        known += [(kind, key) for key in dict.fromkeys(facts[task][t] for t in TERRITORIES if t in facts[task])]
    known += [("city", city) for city, territory in facts["country_of"].items() if territory in TERRITORIES]
    known += [(kind, key) for kind in ("month", "weekday") for key in data("names")["names"][kind]]
    return tuple(known)


def _order(text: str) -> str:
    """A fixed pseudo-random rank, the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def held_out() -> frozenset[str]:
    """The concepts that only the prompts ask about."""
    chosen: set[str] = set()
    for task, count in HELD_OUT.items():
        concepts = sorted({item.concept for item in items() if item.task == task}, key=_order)
        chosen.update(concepts[:count])
    return frozenset(chosen)


@functools.cache
def corpus() -> list[Row]:
    """Parallel instruction/response rows: every item that is not held out, in every phrasing and language."""
    kept = [item for item in items() if item.concept not in held_out()]
    return [
        (
            f"c-{item.task}-{item.key}-{phrasing}",
            language,
            question(item, language, phrasing),
            say(item.answer, language),
        )
        for item in kept
        for phrasing in range(phrasings(item.task))
        for language in LANGUAGES
    ]


@functools.cache
def prompts() -> list[Row]:
    """Parallel held-out instructions with their references: one phrasing per concept, chosen by hash."""
    asked = {
        item.concept: item for item in sorted(items(), key=lambda item: _order(item.key)) if item.concept in held_out()
    }
    return [
        (f"p-{item.task}-{item.key}", language, question(item, language, phrasing), say(item.answer, language))
        for item in sorted(asked.values(), key=lambda item: (list(HELD_OUT).index(item.task), item.key))
        for phrasing in [int(_order(f"phrasing {item.concept}"), 16) % phrasings(item.task)]
        for language in LANGUAGES
    ]


@functools.cache
def lexicon() -> dict[str, frozenset[str]]:
    """Per language its closed answer vocabulary: casefolded words, for Chinese characters."""
    said = {item.answer for item in items()}
    return {code: frozenset(w for a in said for w in words(say(a, code), code)) for code in LANGUAGES}


def words(text: str, language: str) -> list[str]:
    """Casefolded words without the punctuation around them; for Chinese every letter is one."""
    runs = (run.strip(".,:;!?()«»\"'’…。，：；！？") for run in text.casefold().split())
    return [w for run in runs for w in (filter(str.isalpha, run) if language == "zh-Hans" else (run,)) if w]


def fingerprint() -> str:
    """SHA-256 over the corpus and the prompts: changes when any text does."""
    rows = json.dumps([list(corpus()), list(prompts())], ensure_ascii=False)
    return hashlib.sha256(rows.encode()).hexdigest()
