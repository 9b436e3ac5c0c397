"""Pure: how numbers are said: intervals with a real minus sign, differences claimed only where the interval leaves out 0."""

from collections.abc import Sequence

from scipy.special import ndtri

from pinch import stats
from pinch.cells import Cell
from pinch.languages import LANGUAGES

MINUS = "\N{MINUS SIGN}"
ARROW = "\N{RIGHTWARDS ARROW}"


def detectable(se: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that a two-sided test of level `alpha` finds with probability `power`, given the
    standard error of the difference: (z of 1 - alpha / 2 + z of power) * se, in the unit of `se`."""
    return float((ndtri(power) - ndtri(alpha / 2)) * se)


def gap_text(gap: stats.Difference) -> str:
    """A difference in points with its interval, said to be one only when the interval leaves out 0."""
    interval = f"{signed(gap.mean)} [{signed(gap.low)}, {signed(gap.high)}]"
    if gap.mean == 0 and gap.se == 0:
        return f"the same on each of these {gap.n} prompts"
    if gap.low <= 0 <= gap.high:
        reach = f"; detectable effect: {detectable(gap.se):.1f} points" if gap.se > 0 else ""
        return f"not distinguishable with these {gap.n} prompts ({interval}{reach})"
    return f"difference {interval}"


def signed(value: float) -> str:
    """+1.2 or -1.2 with a real minus sign."""
    return f"{value:+.1f}".replace("-", MINUS)


def spread(estimate: stats.Estimate) -> str:
    """A mean with its interval."""
    return f"{estimate.mean:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def support(prompts: int, cells: Sequence[Cell]) -> str:
    """n in words: prompts and seeds."""
    return f"{counted(prompts, 'prompt')}, {counted(len({cell.axes.seed for cell in cells}), 'seed')}"


def name_of(code: str) -> str:
    return LANGUAGES[code].name if code in LANGUAGES else code


def reference_name(against: str) -> str:
    return {"monolingual": "the monolingual references", "base": "the untuned model"}.get(against, against)


def counted(number: int, noun: str) -> str:
    """1 model, 2 models."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
