"""Pure: figures of lines as numbers (`pinch.analysis.charts`), and what their lines, panels
and bands are called, in the picture too.

In: the lines of `curves` and `counts`. Out: `LineChart`s. A line of a single language that the picture shows only within a
mean is there too, and off.
"""

from collections.abc import Callable, Mapping

from pinch.analysis.charts import LineChart, Panel, Series
from pinch.analysis.curves import GROUPS, Curve, Line, Lines
from pinch.analysis.questions.count.counts import Count
from pinch.analysis.study import Metric, Options
from pinch.analysis.words import counted, name_of, percent

TITLES = {
    Metric.score: "Score (50 = par)",
    Metric.exact: "Exact match",
    Metric.right_language: "Answers in the language asked",
}

SHARE_AXIS = "multilingual share of the {budget:,} examples"
COUNT_AXIS = "number of tuning languages"


def metrics_of(lines: Lines) -> list[Metric]:
    """What the lines measure, in the order of panels."""
    return [metric for metric in Metric if any(kind is metric for _, kind in lines)]


def curve_labels(curve: Curve) -> dict[str, str]:
    """What the means of a curve are called."""
    return {
        "seen": f"seen languages ({len(curve.seen)})",
        "unseen": f"unseen languages ({len(curve.unseen)})",
        "base": f"{name_of(curve.base)} (base language)",
    }


def every_labels(curve: Curve) -> dict[str, str]:
    """The same where each language has its own line."""
    return {"seen": f"mean of {len(curve.seen)} languages", "base": f"{name_of(curve.base)} (base language)"}


def band_text(lines: Lines, options: Options) -> str:
    """What the bands mean, with n."""
    prompts = sorted({line.prompts for line in lines.values()})
    number = f"{prompts[0]}" if len(prompts) == 1 else f"{prompts[0]} to {prompts[-1]}"
    return (
        f"Bands: simultaneous {100 * options.confidence:.0f} % over the points of a line, from {options.resamples:,} "
        f"resamplings of the {number} prompts (languages and seeds of a prompt stay together); they do not cover new seeds."
    )


def curve_charts(curve: Curve, every: bool = False) -> tuple[LineChart, ...]:
    """A curve over the share: the means, single languages off; or with `every` language on, but no mean of unseen ones and
    no exact matches, as its figure has it."""
    panels = tuple(
        _panel(
            TITLES[metric], curve.lines, metric, every_labels(curve) if every else curve_labels(curve), _places, every
        )
        for metric in metrics_of(curve.lines)
        if not every or metric is not Metric.exact
    )
    return (LineChart(SHARE_AXIS.format(budget=curve.family.budget), _share_ticks(curve), panels),)


def count_charts(count: Count) -> tuple[LineChart, ...]:
    """The lines over the number of languages: every unseen language, and their mean."""
    labels = {"unseen": f"mean of {len(count.unseen)} unseen languages"}
    panels = tuple(
        _panel(TITLES[metric], count.lines, metric, labels, lambda line: line.x, True)
        for metric in metrics_of(count.lines)
    )
    return (LineChart(COUNT_AXIS, tuple((float(n), str(n)) for n in count.numbers), panels),)


def _places(line: Line) -> tuple[float, ...]:
    """Shares stand evenly spaced, as in the picture."""
    return tuple(float(at) for at in range(len(line.x)))


def _share_ticks(curve: Curve) -> tuple[tuple[float, str], ...]:
    budget = curve.family.budget
    return tuple((float(at), f"{percent(x)} ({round(x * budget):,})") for at, x in enumerate(curve.fractions))


def _panel(
    title: str,
    lines: Lines,
    metric: Metric,
    labels: Mapping[str, str],
    places: Callable[[Line], tuple[float, ...]],
    every: bool,
) -> Panel:
    """The lines of one metric: the means that have a label, then single languages."""
    means = [line for (name, kind), line in lines.items() if kind is metric and name in labels]
    single = [line for (name, kind), line in lines.items() if kind is metric and name not in GROUPS]
    series = tuple(
        Series(
            labels.get(line.name, name_of(line.name)),
            line.name if line.name in GROUPS else "one",
            places(line),
            tuple(line.mean.tolist()),
            tuple(line.low.tolist()),
            tuple(line.high.tolist()),
            tuple(_note(line, at) for at in range(len(line.x))),
            every or line.name in GROUPS,
        )
        for line in (*means, *single)
    )
    return Panel(title, series, "" if metric is Metric.score else " %", 50.0 if metric is Metric.score else None)


def _note(line: Line, at: int) -> str:
    """Who stands behind a point."""
    each = line.each[at]
    alone = f" ({', '.join(f'{value:.1f}' for value in each)})" if len(each) > 1 else ""
    return f"{counted(len(each), 'model')}{alone}, {counted(line.prompts, 'prompt')}"
