"""Stage: how did the models learn, and how much of what they learnt from was in which language?

In: the groups of cells that are shown side by side, and their train_log.csv. Out: a `Section` with the exhibits
`training_loss` and `supervised_tokens`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pinch.analysis.charts import Dot, DotChart, LineChart, Panel, Series
from pinch.analysis.figures.dots import draw_rows
from pinch.analysis.figures.losses import ROLES, draw_losses
from pinch.analysis.figures.style import short
from pinch.analysis.questions.learning.logs import Log, read_log, smoothed
from pinch.analysis.sections import Exhibit, Finding, Gap, Section
from pinch.analysis.study import Array, Family, Options, Study
from pinch.analysis.words import counted, name_of
from pinch.cells import Cell

NAME, TITLE = "training_loss", "How the models learnt"
TOKENS, TOKENS_TITLE = "supervised_tokens", "What each language weighs"

POINTS = 200
"""Of a line, at most; between them nothing is lost that the smoothing has left."""

PARTS = 20
"""The smoothing window is this part of the longest log."""


@dataclass(frozen=True)
class Group:
    """Cells that are shown as one line, with their logs."""

    label: str
    cells: tuple[Cell, ...]
    logs: tuple[Log, ...]


def look(study: Study, family: Family, shown: Mapping[str, Sequence[Cell]], options: Options) -> Section:
    """Losses of the groups `shown`, and the supervised tokens of the one with most languages (the last of several)."""
    tuned = {label: [cell for cell in cells if not cell.untuned] for label, cells in shown.items()}
    groups = [group for label, cells in tuned.items() if (group := _group(label, cells)) is not None]
    if not groups:
        return Section(gaps=[Gap(NAME, TITLE, "no train_log.csv of the models that are shown can be read")])
    window = max(1, max(len(log.steps) for group in groups for log in group.logs) // PARTS)
    chart = _losses(groups, window)
    caption = _caption(family, groups, window, sum(map(len, tuned.values())))
    section = Section([Exhibit(NAME, TITLE, caption, list(_rows(family, chart)), draw_losses(chart), [chart])])
    mixed = [group for group in groups if _weights(group)]
    if mixed:
        _add_tokens(section, family, max(reversed(mixed), key=lambda group: len(_weights(group))))
    return section


def _group(label: str, cells: Sequence[Cell]) -> Group | None:
    found = [(cell, log) for cell in cells if (log := read_log(cell.folder)) is not None]
    return Group(label, tuple(cell for cell, _ in found), tuple(log for _, log in found)) if found else None


# --- losses --------------------------------------------------------------------------------------------------------


def _losses(groups: Sequence[Group], window: int) -> LineChart:
    series: list[Series] = []
    for at, group in enumerate(groups):
        lines = [smoothed(log.loss, window) for log in group.logs]
        common = set.intersection(*(set(log.steps) for log in group.logs))
        if common:
            steps = np.array(sorted(common))
            mean = np.mean(
                [line[np.isin(log.steps, steps)] for log, line in zip(group.logs, lines, strict=True)], axis=0
            )
            series.append(_series(group.label, ROLES[at % len(ROLES)], steps, mean))
        if len(lines) > 1:
            for cell, log, line in zip(group.cells, group.logs, lines, strict=True):
                series.append(_series(f"{group.label}, {_name(cell, group)}", "one", log.steps, line))
    last = max(float(log.steps[-1]) for group in groups for log in group.logs)
    panel = Panel("Training loss (nats, smoothed)", tuple(series))
    return LineChart("optimizer step", _ticks(last), (panel,))


def _series(name: str, role: str, x: Array, y: Array) -> Series:
    """At most POINTS of a line, evenly spaced, the last one among them."""
    chosen = np.unique(np.linspace(0, len(x) - 1, POINTS).round().astype(int))
    return Series(name, role, tuple(map(float, x[chosen])), tuple(map(float, y[chosen])))


def _name(cell: Cell, group: Group) -> str:
    alike = sum(other.axes.seed == cell.axes.seed for other in group.cells)
    return f"seed {cell.axes.seed}" if alike == 1 else cell.id


def _ticks(last: float) -> tuple[tuple[float, str], ...]:
    """Round numbers from 0 on, seven steps of them at most."""
    rough = max(last, 1) / 7
    size = 10 ** np.floor(np.log10(rough))
    step = max(1.0, float(size * next(factor for factor in (1, 2, 5, 10) if factor * size >= rough)))
    return tuple((x, f"{x:,.0f}") for x in map(float, np.arange(0, last + 1, step)))


def _rows(family: Family, chart: LineChart) -> Iterator[dict[str, Any]]:
    """What is drawn, one dict a point."""
    for series in chart.panels[0].series:
        for x, y in zip(series.x, series.y, strict=True):
            yield {"family": family.name, "line": series.name, "step": x, "loss": y}


def _caption(family: Family, groups: Sequence[Group], window: int, cells: int) -> str:
    numbers = ", ".join(f"{group.label} {counted(len(group.cells), 'model')}" for group in groups)
    thin = " Thin: single models." if any(len(group.cells) > 1 for group in groups) else ""
    broken = sum(log.broken for group in groups for log in group.logs)
    missing = cells - sum(len(group.cells) for group in groups)
    said = f" {counted(broken, 'line')} of the logs cannot be read and {_are(broken)} left out." if broken else ""
    said += f" {counted(missing, 'model')} without a readable log." if missing else ""
    smooth = f"averaged over {window} steps around each" if window > 1 else "as it was logged"
    return (
        f"{family.label}: loss on the training examples after each optimizer step, {smooth} ({numbers}).{thin} Every "
        f"mixture's loss is that of its own texts, which differ in language: a lower line is no better model.{said}"
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


# --- supervised tokens ---------------------------------------------------------------------------------------------


def _weights(group: Group) -> dict[str, tuple[float, float, int]]:
    """Percent of the examples, percent of the supervised tokens and their number by language, those first whose share of
    the tokens exceeds that of the examples most; empty for one language, or a log without tokens."""
    tokens, examples = Counter[str](), Counter[str]()
    for cell, log in zip(group.cells, group.logs, strict=True):
        tokens.update(log.tokens)
        examples.update(cell.axes.counts)
    codes = [code for code in examples if tokens[code] and examples[code]]
    if len(codes) < 2:
        return {}
    every, total = sum(examples[code] for code in codes), sum(tokens[code] for code in codes)
    shares = {code: (100 * examples[code] / every, 100 * tokens[code] / total, tokens[code]) for code in codes}
    return dict(sorted(shares.items(), key=lambda entry: -entry[1][1] / entry[1][0]))


def _add_tokens(section: Section, family: Family, group: Group) -> None:
    weights = _weights(group)
    ticks = tuple((float(at), short(code)) for at, code in enumerate(weights))
    shares, ratios = [], []
    for at, (code, (examples, tokens, number)) in enumerate(weights.items()):
        note = f"{name_of(code)}, {counted(number, 'token')}"
        shares.append(Dot(short(code), at, tokens, note=note, group="of the supervised tokens"))
        shares.append(Dot(short(code), at, examples, note=note, group="of the examples"))
        ratios.append(Dot(short(code), at, tokens / examples, note=note, group="of the supervised tokens"))
    charts = [
        DotChart("language", "Share in percent", tuple(shares), ticks),
        DotChart("language", "Tokens / examples", tuple(ratios), ticks, par=1),
    ]
    rows = [
        {
            "family": family.name, "cells": group.label, "language": code, "examples_share": examples,
            "tokens_share": tokens, "tokens": number, "ratio": tokens / examples,
        }
        for code, (examples, tokens, number) in weights.items()
    ]  # fmt: skip
    drawn = draw_rows(charts, [(0, 0), (1, 1)])
    section.exhibits.append(Exhibit(TOKENS, TOKENS_TITLE, _tokens_caption(family, group), rows, drawn, charts))
    section.findings.append(_tokens_finding(group, weights))


def _tokens_caption(family: Family, group: Group) -> str:
    unit = group.cells[0].identity.get("tuning", {}).get("loss_unit", "token")
    weighs = (
        "the loss is a mean over tokens (tuning.loss_unit=token), so they are what each language weighs in it"
        if unit == "token"
        else "the loss is a mean over examples (tuning.loss_unit=example), so it is the examples that weigh in it"
    )
    return (
        f"{family.label}, {group.label} ({counted(len(group.cells), 'model')}): every language's share of the training "
        f"examples and of the tokens of their responses, counted over the whole training; {weighs}. Right: the one over the "
        "other, 1 where a language weighs what its examples do."
    )


def _tokens_finding(group: Group, weights: Mapping[str, tuple[float, float, int]]) -> Finding:
    (most, (one, more, _)), *_, (least, (other, less, _)) = weights.items()
    total = sum(number for _, _, number in weights.values())
    text = (
        f"{group.label}: of {total:,} supervised tokens {more:.1f} % are {name_of(most)}, from {one:.1f} % of the examples, "
        f"and {less:.1f} % {name_of(least)}, from {other:.1f} % (counted, {counted(len(group.cells), 'model')})."
    )
    return Finding(TOKENS, TOKENS_TITLE, text)
