"""Stage: how many tuning languages does it take? The paper's figure 5.

In: a study and a family of its cells. Out: a `Section` with the curve over the number of tuning languages, on the languages
that none of its models saw; what it says of these models, and of other orders of adding languages.
"""

from pinch.analysis import line_charts
from pinch.analysis.figures.lines import draw_count
from pinch.analysis.gaps import count_gap
from pinch.analysis.line_charts import band_text
from pinch.analysis.questions.count import adding
from pinch.analysis.questions.count.counts import Count, language_count
from pinch.analysis.sections import Exhibit, Gap, Section
from pinch.analysis.study import Family, Options, Study
from pinch.analysis.words import counted, listed, name_of, percent
from pinch.config import ExperimentConfig

TITLE = "How many languages"


def look(study: Study, family: Family, options: Options) -> Section:
    """Everything about the number of languages."""
    count = language_count(study, family, options)
    if count is None:
        reason = "it needs models of two numbers of languages at one share, and a language that none of them saw"
        return Section(gaps=[Gap("language_count", TITLE, reason, "+experiment=language_count")])
    exhibit = Exhibit(
        "language_count",
        TITLE,
        caption(count, options),
        list(count.rows()),
        draw_count(count),
        line_charts.count_charts(count),
    )
    told = adding.tell(study, count, options)
    gap = count_gap(count)
    return Section(
        [exhibit],
        [finding for finding, _ in told],
        [gap] if gap else [],
        [row for _, rows in told for row in rows],
        limits(count),
    )


def caption(count: Count, options: Options) -> str:
    """Of the curve over the number of tuning languages."""
    left = ""
    if count.left_out:
        numbers = listed([str(number) for number in count.left_out])
        left = f" Models of {numbers} languages are not drawn: they leave too few languages unseen."
    cells = ", ".join(
        f"{x:.0f}: {counted(len(found), 'model')} of {counted(len(sets), 'set')}"
        for (x, found), sets in zip(count.groups, count.sets, strict=True)
    )
    bands = band_text({key: line for key, line in count.lines.items() if key[0] == "unseen"}, options)
    return (
        f"{count.family.label}: {percent(count.fraction)} of the {count.family.budget:,} examples spread over the tuning "
        f"languages, {name_of(count.base)} among them. Averaged over the languages that no model of the figure saw: "
        f"{' '.join(count.unseen)} (thin: each). {bands} Small marks: single models (by number of languages {cells}).{left}"
    )


def limits(count: Count) -> list[str]:
    """What the orders do not allow to say."""
    if not count.orders:
        return [
            "The sets of tuning languages form no orders, in which each set is the one before and more, so a step between "
            "two numbers of languages is one between different languages too."
        ]
    if len(count.orders) == 1:
        usual = ExperimentConfig().permutations
        return [
            "Languages were added in one order: whether it is their number or which ones they are cannot be told apart; "
            f"+experiment=language_count adds them in {usual} orders, and six are needed for p < .05 over orders."
        ]
    return []
