"""Stage: what translating would take, before anything is translated: texts, those that are known, tokens, money.

Tokens are estimated at 4 bytes each; the characters that services are paid by are counted. Texts whose markers an engine
loses are translated a second time in parts, which nobody knows beforehand and which is not in the numbers.
"""

import json
from dataclasses import asdict, dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from pinch.config import PlanShow, TranslationEngine
from pinch.judges.api.budget import MILLION, Cost
from pinch.translate import api
from pinch.translate.memory import Memory, Wanted
from pinch.translate.parcels import billed
from pinch.translate.services import service_of
from pinch.translate.work import Work


@dataclass
class Estimate:
    """Of one target language; `texts` are distinct sentences or lines, `known` those that are translated already."""

    language: str
    rows: int
    texts: int
    known: int
    question_tokens: int
    reply_tokens: int
    characters: int
    """What a service is paid for; 0 with another engine."""


def estimate(work: Work, memory: Memory) -> list[Estimate]:
    """What each language would take."""
    found = []
    for target in work.settings.to:
        wanted = list(work.wanted(target))
        todo = [one for one in wanted if one not in memory]
        asks = [_takes(work, one) for one in todo]
        rows = sum(len(rows) for rows in work.sources.values())
        sums = [sum(ask[side] for ask in asks) for side in (0, 1, 2)]
        found.append(Estimate(target, rows, len(wanted), len(wanted) - len(todo), *sums))
    return found


def _takes(work: Work, one: Wanted) -> tuple[int, int, int]:
    """Tokens of the question, tokens of the reply, and characters, of one text."""
    engine = work.settings.engine
    if engine.service:
        return 0, 0, billed(service_of(engine), one.text)
    question, reply = api.tokens(one)
    if engine.kind is not TranslationEngine["api"]:  # no frame around the text
        question = len(one.text.encode("utf-8", "replace")) // 4 + 1
    return question, reply, 0


def _money(work: Work, found: list[Estimate]) -> float | None:
    """What it would cost; None where the prices are not known."""
    engine = work.settings.engine
    if engine.service:
        price = engine.price.characters
        return None if price is None else sum(one.characters for one in found) * price / MILLION
    cost = Cost(0, sum(one.question_tokens for one in found), sum(one.reply_tokens for one in found))
    return cost.money(engine.price)


def show(work: Work, memory: Memory, console: Console) -> int:
    """Print the estimate as a table, or as JSON for programs. Gives the exit code."""
    found = estimate(work, memory)
    money, service = _money(work, found), work.settings.engine.service
    if work.settings.plan.show is PlanShow.json:
        print(json.dumps({"languages": [asdict(one) for one in found], "money": money}, indent=1))
        return 0
    table = Table("to", title="what would be translated", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("rows", "texts", "known", "to do", *(("characters",) if service else ("tokens in", "tokens out"))):
        table.add_column(name, justify="right")
    for one in found:
        size = (one.characters,) if service else (one.question_tokens, one.reply_tokens)
        numbers = (one.rows, one.texts, one.known, one.texts - one.known, *size)
        table.add_row(one.language, *(f"{number:,}" for number in numbers))
    console.print(table)
    if money is not None:
        console.print(f"about {money:,.2f} at the prices given", highlight=False)
    elif service:
        console.print("give engine.price.characters, per million characters, to see what that costs", highlight=False)
    elif work.settings.engine.kind is TranslationEngine["api"]:
        console.print(
            "give engine.price.question and engine.price.reply, per million tokens, to see what that costs",
            highlight=False,
        )
    return 0
