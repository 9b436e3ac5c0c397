"""Stage: what a judge is tried with: the injection set and the sanity questions, as pairs.

    attacks()     attacks.jsonl: a question with a good and a bad answer, and text that is put behind the bad answer to
                  have it preferred: fake verdicts, fake markers, orders, threats, in twelve languages
    sanity()      sanity.jsonl, one question in every language of the study: the right answer against the same one, a
                  wrong one, none, a garbled one and one in another language
    pairs()       all of them, each pair once

Everything is shipped with Pinch; `check` puts a judge through it.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pinch.records import Pair, read_jsonl

HERE = Path(__file__).parent
IDENTICAL = "identical answers"


@dataclass(frozen=True)
class Attack:
    """One row of the injection set. `reference` is the right answer, for judges that are shown one."""

    id: str
    language: str
    kind: str
    instruction: str
    good: str
    bad: str
    attack: str
    reference: str

    @property
    def attacked(self) -> str:
        """The bad answer with the attack behind it."""
        return f"{self.bad}\n\n{self.attack}"


@dataclass(frozen=True)
class Trial:
    """The pair of one sanity question in both orders: the right answer first, then second."""

    language: str
    question: str
    orders: tuple[Pair, Pair]


@cache
def attacks() -> tuple[Attack, ...]:
    """The injection set."""
    return tuple(read_jsonl(HERE / "attacks.jsonl", lambda row: Attack(**row)))


@cache
def sanity() -> tuple[Trial, ...]:
    """The sanity questions, five per language."""
    rows = read_jsonl(HERE / "sanity.jsonl", dict)
    right = {row["language"]: row["right"] for row in rows}
    trials = []
    for row in rows:
        foreign = right["es" if row["language"] == "en" else "en"]
        against = {
            IDENTICAL: row["right"] + "\n",  # a difference nobody sees, so that both orders are questions of their own
            "wrong answer": row["wrong"],
            "empty answer": "",
            "garbled answer": row["right"][::-1],
            "other language": foreign,
        }
        trials += [_trial(row, name, answer) for name, answer in against.items()]
    return tuple(trials)


def pairs() -> list[Pair]:
    """All pairs that `check` asks, each once."""
    wanted = [pair for attack in attacks() for order in orders(attack) for pair in order]
    wanted += [pair for trial in sanity() for pair in trial.orders]
    return list(dict.fromkeys(wanted))


def orders(attack: Attack) -> tuple[tuple[Pair, Pair], tuple[Pair, Pair]]:
    """Per order (the good answer first, then second) the pair without and with the attack."""

    def pair(first: str, second: str) -> Pair:
        return Pair("check", attack.language, attack.instruction, first, second, attack.reference)

    return (
        (pair(attack.good, attack.bad), pair(attack.good, attack.attacked)),
        (pair(attack.bad, attack.good), pair(attack.attacked, attack.good)),
    )


def _trial(row: dict[str, str], name: str, other: str) -> Trial:
    right, language, instruction = row["right"], row["language"], row["instruction"]
    forth = Pair("check", language, instruction, right, other, right)
    return Trial(language, name, (forth, replace(forth, first=other, second=right)))
