"""Pure: how numbers are said: intervals with a real minus sign, differences claimed only where the interval leaves out 0."""

from collections.abc import Sequence

from pinch import stats
from pinch.cells import Cell
from pinch.languages import LANGUAGES

MINUS = "\N{MINUS SIGN}"
ARROW = "\N{RIGHTWARDS ARROW}"


def gap_text(gap: stats.Difference) -> str:
    """A difference in points with its interval, said to be one only when the interval leaves out 0."""
    if gap.mean == 0 and gap.se == 0:
        return f"the same on each of these {counted(gap.n, 'prompt')}"
    if gap.low <= 0 <= gap.high:
        reach = f"; {detectable_text(gap)}" if gap.se > 0 else ""
        return f"not distinguishable with these {counted(gap.n, 'prompt')} ({gap_span(gap)}{reach})"
    return f"difference {gap_span(gap)}"


def claim_text(gap: stats.Difference, p: float, level: float) -> str:
    """A difference that is one of several, claimed by its corrected p alone; its interval is that of itself alone."""
    reach = f"; {detectable_text(gap)}" if gap.se > 0 else ""
    return (
        f"difference {gap_span(gap)}, {p_text(p)}"
        if p < level
        else f"not distinguishable ({gap_span(gap)}, {p_text(p)}{reach})"
    )


def gap_span(gap: stats.Difference) -> str:
    """A difference and its interval, nothing claimed."""
    return f"{signed(gap.mean)} {span_text(gap.low, gap.high)}"


def span_text(low: float, high: float) -> str:
    """The interval of a difference."""
    return f"[{signed(low)}, {signed(high)}]"


def detectable_text(gap: stats.Difference) -> str:
    """What four of five such studies would find; empty where there is no spread to say it from."""
    return f"detectable effect: {gap.detectable:.1f} points" if gap.se > 0 else ""


def both_text(found: stats.SeedVariance) -> str:
    """The interval of a difference that covers new training seeds beside new prompts."""
    both, alone = found.of_both, found.of_prompts
    lost = both.low <= 0 <= both.high and not alone.low <= 0 <= alone.high
    return f"over new seeds and prompts {span_text(both.low, both.high)}" + (", which holds 0" if lost else "")


def seeds_text(found: stats.SeedVariance) -> str:
    """The same, and what part the seeds have in it, and whether that can be told from none."""
    low, high = found.seed_sd_span
    return (
        f"{both_text(found)} ({counted(found.seeds, 'seed')}: sd "
        f"{found.seed_sd:.1f} [{low:.1f}, {high:.1f}], {100 * found.seed_share:.0f} % of the variance, {p_text(found.p)})"
    )


def p_text(p: float) -> str:
    """A p value to two digits, a third where it decides."""
    if p != p:
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}" if 0.045 < p < 0.055 else f"p = {p:.2g}"


def signed(value: float) -> str:
    """+1.2 or -1.2 with a real minus sign; what rounds to nothing has a plus."""
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", MINUS)


def r_text(r: float) -> str:
    """A correlation: +0.22 or -0.22 with a real minus sign."""
    return f"{r:+.2f}".replace("-", MINUS)


def spread(estimate: stats.Estimate) -> str:
    """A mean with its interval."""
    return f"{estimate.mean:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def support(prompts: int, cells: Sequence[Cell]) -> str:
    """n in words: prompts and seeds."""
    return f"{counted(prompts, 'prompt')}, {counted(len({cell.axes.seed for cell in cells}), 'seed')}"


def percent(share: float) -> str:
    """A share 0..1 of the budget in per cent, as short as it goes: 0.033333 is 3.33 %."""
    return f"{100 * share:.3g} %"


def name_of(code: str) -> str:
    return LANGUAGES[code].name if code in LANGUAGES else code


def reference_name(against: str) -> str:
    return {"monolingual": "the monolingual references", "base": "the untuned model"}.get(against, against)


def counted(number: int, noun: str) -> str:
    """1 model, 2 models."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
