"""Stage: what judging a workspace would take: comparisons, what is known or shared, calls, tokens and money.

`python evaluate.py plan=true` shows it, `plan=json` prints it for programs; nothing is judged, no server is asked.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from pinch.bench import Bench
from pinch.config import EvaluateConfig, JudgeKind, PlanShow, PriceConfig
from pinch.rulings import Judged, Sequential, Source
from pinch.stats import sequential

UNIT = {JudgeKind.human: "pairs to show"}

OFF_PAR, TIES = (0.0, 5.0, 12.0), 0.3
"""Points off par, and the share of ties, for which the saving of judge.stop=sequential is told."""


@dataclass(frozen=True)
class Language:
    """One language: `comparisons` are prompts of all contests, `identical` those that cost nothing as both answers are the
    same, `known` and `shared` the verdicts that are stored and those that another cell of this plan asks for anyway, `calls`
    what is left to ask: both orders for a judge, one for people. `question_tokens` and `reply_tokens` are estimates."""

    comparisons: int = 0
    identical: int = 0
    known: int = 0
    shared: int = 0
    calls: int = 0
    question_tokens: int = 0
    reply_tokens: int = 0


@dataclass(frozen=True)
class Calls:
    """The whole plan; `money` is in the currency of judge.price, None without prices. With judge.stop=sequential `calls` is
    the worst case, and `saving` the expected share that is not asked, by how many points a contest is off par."""

    judge: str
    cells: int
    contests: int
    languages: dict[str, Language]
    total: Language
    money: float | None
    saving: dict[str, float] | None = None


def count(bench: Bench, source: Source) -> Calls:
    """What is to be asked of the source, every content once."""
    seen: set[str] = set()
    found: dict[str, Counter[str]] = {}
    contests = 0
    prompts: list[int] = []
    for cell in bench.cells:
        for contest in bench.contests(cell):
            if contest.own:
                continue
            contests += 1
            tally = found.setdefault(contest.language, Counter())
            differing = sum(1 for _ in bench.pairs(contest))
            wanted = source.most(contest) if isinstance(source, Judged) else source.missing([contest])
            new = {key: pair for key, pair in wanted.items() if key not in seen}
            seen |= new.keys()
            number = len(bench.asked(cell, contest.language))
            prompts.append(number)
            tally["comparisons"] += number
            tally["identical"] += number - differing
            tally["known"] += (2 if isinstance(source, Judged) else 1) * differing - len(wanted)
            tally["shared"] += len(wanted) - len(new)
            tally["calls"] += len(new)
            if isinstance(source, Judged):
                question, reply = source.store(cell).judge.tokens(new.values())
                tally["question_tokens"] += question
                tally["reply_tokens"] += reply
    languages = {code: Language(**found[code]) for code in sorted(found)}
    total = Language(**sum(found.values(), Counter[str]()))
    saving = _saving(prompts, bench.settings) if isinstance(source, Sequential) else None
    cost = money(total, bench.settings.judge.price)
    return Calls(source.name, len(bench.cells), contests, languages, total, cost, saving)


def _saving(prompts: Sequence[int], settings: EvaluateConfig) -> dict[str, float]:
    """Expected share of the prompts that judge.stop=sequential spares, by how many points contests are off par."""
    alpha = round(1 - settings.score.confidence, 9)
    sizes = Counter(prompts)
    return {
        f"{effect:g}": sum(times * n * sequential.saved(n, effect, TIES, alpha) for n, times in sizes.items())
        / max(sum(prompts), 1)
        for effect in OFF_PAR
    }


def money(total: Language, price: PriceConfig) -> float | None:
    """What the tokens cost; None without prices."""
    if price.question is None or price.reply is None:
        return None
    return (total.question_tokens * price.question + total.reply_tokens * price.reply) / 1e6


def show(found: Calls, settings: EvaluateConfig, console: Console) -> int:
    """Print the plan; gives the exit code."""
    if settings.plan.show is PlanShow.json:
        print(json.dumps(asdict(found), ensure_ascii=False, indent=1))
        return 0
    kind = settings.judge.kind
    contests = f"{found.contests:,} contests (cell, reference, language)"
    title = f"what {found.judge} would be asked about {found.cells} cells in {contests}"
    table = Table("language", title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    paid = found.total.question_tokens > 0
    names = ["comparisons", "identical", "known", "shared", UNIT.get(kind, "calls"), *(["tokens"] if paid else [])]
    for name in names:
        table.add_column(name, justify="right")
    for code, row in (*found.languages.items(), ("all", found.total)):
        tokens = [f"{row.question_tokens + row.reply_tokens:,}"] if paid else []
        numbers = (row.comparisons, row.identical, row.known, row.shared, row.calls)
        table.add_row(code, *(f"{number:,}" for number in numbers), *tokens)
    console.print(table)
    for line in _lines(found, kind):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 0


def _lines(found: Calls, kind: JudgeKind) -> list[str]:
    total = found.total
    lines = []
    if total.identical:
        lines.append("identical answers score 0.5 and cost nothing; known and shared verdicts are not asked again")
    if found.saving is not None:
        told = ", ".join(f"{100 * share:.0f} % at {effect} points off par" for effect, share in found.saving.items())
        lines.append(
            f"judge.stop=sequential asks that much at worst; of a contest it saves in expectation {told} "
            f"(with {100 * TIES:.0f} % ties)"
        )
    if kind is JudgeKind.panel:
        lines.append("a panel asks nobody: it combines what its members have said")
    if total.question_tokens:
        lines.append(
            f"about {total.question_tokens:,} tokens of questions and {total.reply_tokens:,} of replies, estimated"
            + ("" if found.money is None else f"; about {found.money:,.2f} at the prices given")
        )
        if found.money is None and kind is JudgeKind.api:
            lines.append("give judge.price.question and judge.price.reply, per million tokens, to see what that costs")
    return lines
