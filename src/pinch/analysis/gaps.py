"""Pure: models that a figure of lines lacks, from the grid that is there: every seed at every point that occurs.

In: a `Curve` or a `Count`. Out: a `Gap` that names them, with the experiment that would make them.
"""

from collections.abc import Iterable, Sequence

from pinch.analysis.curves import Curve
from pinch.analysis.questions.count.counts import Count
from pinch.analysis.sections import Gap
from pinch.analysis.words import counted, percent
from pinch.cells import Cell
from pinch.config import ExperimentConfig


def curve_gap(curve: Curve) -> Gap | None:
    """What a curve lacks: its seeds at each of its shares."""
    holes = {percent(x): found for x, cells in curve.groups if (found := _absent(curve.seeds, cells))}
    if not holes:
        return None
    names = " ".join(curve.tuning)
    wanted = len(curve.groups) * len(curve.seeds)
    arguments = [_experiment(curve.tuning, curve.base), _shares(curve)]
    title = f"Shares of {names if len(curve.tuning) <= 6 else f'{len(curve.tuning)} languages'}"
    return Gap(
        f"p_curve_models_{'+'.join(curve.tuning)}", title, _reason(holes, wanted), " ".join(filter(None, arguments))
    )


def count_gap(count: Count) -> Gap | None:
    """What the figure over the number of languages lacks: its seeds for each of its sets."""
    sets = [languages for level in count.sets for languages in level]
    cells = {languages: count.cells(languages) for languages in sets}
    seeds = sorted({cell.axes.seed for found in cells.values() for cell in found if cell.axes.seed is not None})
    holes = {"+".join(found[0].axes.languages): absent for found in cells.values() if (absent := _absent(seeds, found))}
    if not holes:
        return None
    few = max(sets, key=len)
    words = [_few("+experiment=language_count", few, count.base)]
    if len(count.orders) > 1:
        words.append(f"experiment.permutations={len(count.orders)}")
    reason = _reason(holes, len(sets) * len(seeds))
    return Gap("language_count_models", "Sets of languages", reason, " ".join(words))


def _absent(seeds: Iterable[int], cells: Iterable[Cell]) -> list[int]:
    there = {cell.axes.seed for cell in cells}
    return [seed for seed in seeds if seed not in there]


def _reason(holes: dict[str, list[int]], wanted: int) -> str:
    number = sum(len(seeds) for seeds in holes.values())
    each = "; ".join(f"{name} with seed {', '.join(map(str, seeds))}" for name, seeds in holes.items())
    return f"{number} of {counted(wanted, 'model')} missing or not judged: {each}"


def _experiment(tuning: Sequence[str], base: str) -> str:
    """The experiment that tunes on these languages together."""
    if set(tuning) == set(ExperimentConfig().languages):
        return "+experiment=pinch_twelve" + ("" if base == ExperimentConfig().base else f" experiment.base={base}")
    return _few("+experiment=pinch_six", tuning, base)


def _few(word: str, languages: Iterable[str], base: str) -> str:
    """The experiment with its few languages and base, where they are others than the paper's."""
    usual, chosen = ExperimentConfig(), set(languages)
    parts = [word]
    if base != usual.base:
        parts.append(f"experiment.base={base}")
    if chosen != set(usual.few):
        parts.append(f"'experiment.few=[{','.join([base, *sorted(chosen - {base})])}]'")
    return " ".join(parts)


def _shares(curve: Curve) -> str:
    """The curve's own shares, where the experiment has others."""
    usual, budget = ExperimentConfig(), curve.family.budget
    known = {round(fraction * budget) for fraction in usual.fractions} | set(usual.pinches)
    if all(round(x * budget) in known for x in curve.fractions):
        return ""
    return f"'experiment.fractions=[{','.join(f'{x:g}' for x in curve.fractions)}]' 'experiment.pinches=[]'"
