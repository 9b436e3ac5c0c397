"""Pre-training documents of the embedded world: what the base model reads before anybody tunes it.

In: the world and a `Mix`. Out: short documents, one line each, in all languages. A document is a statement, or a line of
a quiz page: a question, a separator, its answer. Chat markers never occur, so the untuned base cannot follow instructions.
Quiz pages in every language are what makes transfer possible; `across`, the share of quiz answers in another
language, sets how much is left for tuning to decide: with 0 the base always prefers the language of the question.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from pinch.embedded import world

SHARES: dict[str, float] = {
    "en": 1.7, "es": 1.2, "ru": 1.2, "zh-Hans": 1.6, "it": 1.0, "ar": 1.2, "cs": 1.0, "fi": 1.0, "hi": 1.1, "he": 1.1,
    "et": 0.9, "sw": 0.8, "pl": 0.6, "sk": 0.4, "sl": 0.4, "hr": 0.4, "sr-Cyrl": 0.5, "sr-Latn": 0.3,
}  # fmt: skip
"""Relative number of documents per language: English leads, as in real pre-training."""

WEIGHTS: dict[str, float] = {
    "month_of_date": 1.2, "category": 1.4, "choice": 1.0, "code": 1.2, "number": 0.8, "sum": 1.0,
    "currency_of": 1.2, "language_of": 1.2, "continent_of": 0.8, "country_of": 1.2,
    "next_month": 0.6, "previous_month": 0.6, "next_day": 0.4, "previous_day": 0.4,
}  # fmt: skip
"""Relative number of documents per task; within a task all items are equally frequent."""

UNREAD = ("month_of_date", "choice")
"""Tasks whose held-out items are in no document either: they follow from others that are."""

SEPARATORS = (" -", " :", " =", " →")

Document = tuple[str, str]
"""A quiz line in two parts (question and separator, answer), or a statement and nothing."""


@dataclass(frozen=True)
class Mix:
    """What the documents are made of."""

    documents: int = 220_000
    quiz: float = 0.8
    """Share of quiz lines; the rest are statements."""
    across: float = 0.15
    """Share of quiz lines that are flash cards: their answer need not be in the language of the question."""
    across_english: float = 1.0
    """Share of flash cards whose answer is English; the others are uniform over the other languages."""
    seed: int = 0


def documents(mix: Mix) -> Iterator[Document]:
    """The documents, in reading order; a pure function of the mix."""
    draw = random.Random(mix.seed)
    languages, shares = list(SHARES), list(SHARES.values())
    tasks, weights = list(WEIGHTS), list(WEIGHTS.values())
    read = {task: [item for item in world.items() if item.task == task and _is_read(item)] for task in tasks}
    for _ in range(mix.documents):
        [language], [task] = draw.choices(languages, shares), draw.choices(tasks, weights)
        item = draw.choice(read[task])
        if draw.random() >= mix.quiz:
            yield world.statement(item, language, draw.randrange(2)), ""
            continue
        asked = world.question(item, language, draw.randrange(world.phrasings(task)))
        answered = _other(language, mix, draw) if draw.random() < mix.across else language
        yield asked + draw.choice(SEPARATORS), world.say(item.answer, answered)


def _is_read(item: world.Item) -> bool:
    return item.task not in UNREAD or item.concept not in world.held_out()


def _other(language: str, mix: Mix, draw: random.Random) -> str:
    """The language of a flash card's answer; English cards with `across_english` 1 stay English."""
    if draw.random() < mix.across_english:
        return "en"
    return draw.choice([other for other in world.LANGUAGES if other != language])
