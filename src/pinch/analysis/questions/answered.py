"""Pure: which language is answered in? Some models side by side, language asked x language answered.

In: a study and the groups of models to show. Out: the maps, and how often each group answers in the language asked.
"""

from collections.abc import Mapping, Sequence

from pinch import stats
from pinch.analysis.charts import MapChart
from pinch.analysis.figures.maps import draw_shares
from pinch.analysis.matrices import Shares, answer_language
from pinch.analysis.sections import Exhibit, Finding, Gap, Result, Section
from pinch.analysis.study import Family, Metric, Options, Study
from pinch.analysis.words import counted, spread
from pinch.cells import Cell

NAME = "answer_language"
TITLE = "Which language is answered in"


def look(study: Study, family: Family, shown: Mapping[str, Sequence[Cell]], options: Options) -> Section:
    """The maps of the groups in `shown` (label to cells), over the languages that all of them are asked in; over its own
    languages each where they share none."""
    against = study.main_reference
    common = study.covered([cell for cells in shown.values() for cell in cells], study.languages, METRIC, against)
    found = [answer_language(study, label, cells, common or None) for label, cells in shown.items()]
    shares = [one for one in found if one is not None]
    if not shares:
        return Section(gaps=[Gap(NAME, TITLE, "it needs judged answers in at least one language")])
    rows = [row for one in shares for row in one.flat()]
    charts = [_chart(one) for one in shares]
    exhibit = Exhibit(NAME, TITLE, _caption(shares, family), rows, draw_shares(shares), charts)
    means = [stats.mean(study.by_prompt(one.cells, one.asked, METRIC, against), options.confidence) for one in shares]
    points = tuple(
        f"{one.label}: {spread(mean)} % ({counted(len(one.asked), 'language')}, {counted(mean.n, 'prompt')}, "
        f"{counted(len(one.cells), 'model')})"
        for one, mean in zip(shares, means, strict=True)
    )
    text = (
        "Share of the answers in the language asked, averaged over the languages asked (clustered by prompt; an answer "
        "whose language cannot be told does not count as one):"
    )
    results = [
        Result(
            f"Answers in the language asked: {one.label}",
            *(mean.mean, mean.low, mean.high),
            f"{len(one.asked)} languages, {mean.n} prompts",
            "mean by prompt, no test",
            *(None, None, "%"),
        )
        for one, mean in zip(shares, means, strict=True)
    ]
    return Section([exhibit], [Finding(NAME, TITLE, text, points)], results=results)


METRIC = Metric.right_language


def _caption(shares: Sequence[Shares], family: Family) -> str:
    numbers = "; ".join(
        f"{one.label}: {counted(one.answers, 'answer')} of {counted(len(one.cells), 'model')}" for one in shares
    )
    return (
        f"{family.label}: share of answers by identified language, in per cent of a row; framed: answered in the "
        f"language asked; numbers under 10 are not printed; und: undecided (too short, or several languages fit), other: a "
        f"language that is not evaluated here. {numbers}."
    )


def _chart(shares: Shares) -> MapChart:
    """The map of one group; the note of a place says of how many answers its share is."""
    note = f"% of {counted(shares.answers // len(shares.asked), 'answer')}"
    size = len(shares.asked), len(shares.answered)
    return MapChart(
        shares.asked,
        shares.answered,
        tuple(tuple(float(value) for value in row) for row in shares.values),
        ((note,) * size[1],) * size[0],
        ((False,) * size[1],) * size[0],
        "asked in",
        "answered in",
        by_column=False,
        title=shares.label,
    )
