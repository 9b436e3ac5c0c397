"""A plan as tables for people and as JSON for programs."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from pinch import cells
from pinch.plan.records import Duration, Effect, Invalid, JudgeCalls, Mixture, References, SweepPlan

ROWS = 40
"""Mixtures and invalid jobs that are shown; JSON has all."""

COMMANDS = 6
"""The same for command lines."""


def to_json(plan: SweepPlan) -> str:
    """One JSON document; pinch.plan says what is in it."""
    states = {state.replace(" ", "_"): number for state, number in plan.states.items()}
    numbers = {"asked": plan.asked, "distinct": len(plan.cells), **states}
    document = numbers | cells.plain(plan) | {"exit_code": plan.exit_code}
    return json.dumps(document, ensure_ascii=False, indent=1)


def show(plan: SweepPlan, console: Console) -> None:
    """Print the plan."""
    for part in tables(plan):
        console.print(part, soft_wrap=isinstance(part, str), highlight=False, markup=False)


def tables(plan: SweepPlan) -> list[RenderableType]:
    """What is printed: tables, and lines that are not to be broken."""
    parts: list[RenderableType] = []
    if plan.mixtures:
        parts.append(_mixtures(plan.mixtures))
    if plan.invalid:
        parts.append(_invalid(plan.invalid))
    parts.append(_facts(plan))
    commands = plan.references.commands
    if commands:
        parts.append("plan.add_references=true adds the missing references; on their own they are made by:")
        parts += [f"  {line}" for line in commands[:COMMANDS]]
        parts += _more(len(commands), COMMANDS, "lines")
    return [*parts, *(f"note: {note}" for note in plan.notes)]


def _facts(plan: SweepPlan) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    states = ", ".join(f"{number} {state}" for state, number in plan.states.items() if number)
    invalid = f"; {len(plan.invalid)} of the jobs cannot be" if plan.invalid else ""
    table.add_row("plan", f"{plan.asked} asked, {len(plan.cells)} distinct cells: {states or 'none'}{invalid}")
    table.add_row("references", _references(plan.references))
    answers = plan.answers
    of_whom = f", by {answers.cells:,} cells" if answers.cells > 1 else ""
    table.add_row("answers", f"{answers.number:,} to generate{of_whom}" if answers.number else "all there")
    table.add_row("judge calls", _judge_calls(plan.judge_calls))
    table.add_row("time", _duration(plan.duration) if plan.states["done"] < len(plan.cells) else "nothing to do")
    if plan.effect:
        table.add_row("smallest effect", _effect(plan.effect))
    return table


def _references(found: References) -> str:
    said = [f"{len(found.added)} added"] if found.added else []
    said += [
        "missing: the untuned model" if kind == "base" else f"missing: {kind} {' '.join(codes)}"
        for kind, codes in found.missing.items()
    ]
    if found.never:
        said.append(f"never: monolingual {' '.join(found.never)}, of which the corpus has no examples")
    return "; ".join(said) or "all there, or in this plan"


def _judge_calls(calls: JudgeCalls) -> str:
    text = f"at most {calls.most:,}, in both orders, against {' and '.join(calls.kinds)}"
    if calls.judged:
        text += f"; {calls.judged:,} of them are scored by {calls.judge} and cost that judge nothing more"
    return f"{text}; identical answers will cost none"


def _duration(found: Duration) -> str:
    if found.seconds is None:
        return "no past cell to estimate from"
    sources = {"the same family": found.of_family, "the same model": found.of_model}
    of_whom = " and ".join(f"{number} by past cells of {name}" for name, number in sources.items() if number)
    without = f"; without {found.unknown} that no past cell tells of" if found.unknown else ""
    at_once = "one cell at a time" if found.slots == 1 else f"{found.slots} cells at once"
    return f"about {_time(found.seconds)} with {at_once} ({of_whom}){without}"


def _time(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.{1 if seconds < 10 * size else 0}f} {unit}"
    return f"{seconds:.0f} seconds"


def _effect(found: Effect) -> str:
    text = f"{found.one_language:.1f} points in one language against par"
    if found.unseen_average is not None:
        text += f", {found.unseen_average:.1f} in the average of {found.unseen_languages} unseen languages"
    return (
        f"{text}, are found with {100 * found.power:.0f} % power at {100 * found.confidence:.0f} % confidence by "
        f"{found.prompts} prompts; {100 * found.tie_rate:.0f} % ties, correlation of languages {found.correlation:.2f} "
        f"({found.source})"
    )


def _mixtures(rows: Iterable[Mixture]) -> Table:
    rows = list(rows)
    table = Table("languages", title="mixtures", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("P %", "budget", "seeds", "cells"):
        table.add_column(name, justify="left" if name == "seeds" else "right", no_wrap=name != "seeds")
    table.add_column("examples", ratio=1)
    for row in rows[:ROWS]:
        names = " ".join(row.languages) if len(row.languages) <= 6 else f"{len(row.languages)} languages"
        seeds = ",".join(map(str, row.seeds))
        table.add_row(names, f"{100 * row.fraction:.4g}", str(row.budget), seeds, str(row.cells), _counts(row.counts))
    if len(rows) > ROWS:
        table.add_row(f"and {len(rows) - ROWS} more (plan=json)")
    return table


def _counts(counts: Mapping[str, int]) -> str:
    """Examples per language, languages with the same number together."""
    groups: dict[int, list[str]] = defaultdict(list)
    for code, number in counts.items():
        groups[number].append(code)
    return " · ".join(f"{number} {' '.join(codes)}" for number, codes in groups.items())


def _invalid(rows: Iterable[Invalid]) -> Table:
    rows = list(rows)
    table = Table("job", "settings", "cannot be, because", title="invalid", title_justify="left")
    table.box, table.show_edge = box.SIMPLE_HEAD, False
    for row in rows[:ROWS]:
        table.add_row(str(row.job), " ".join(row.words), row.reason)
    if len(rows) > ROWS:
        table.add_row("", f"and {len(rows) - ROWS} more (plan=json)")
    return table


def _more(number: int, shown: int, what: str) -> list[str]:
    return [f"  and {number - shown} more {what} (plan=json)"] if number > shown else []
