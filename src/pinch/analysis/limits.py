"""Stage: what the numbers of a report do not show, said as plainly as the numbers."""

from collections.abc import Mapping, Sequence

from pinch.analysis.curves import Curve
from pinch.analysis.findings import Change, change
from pinch.analysis.questions.share.doses import target
from pinch.analysis.study import Family, Metric, Options, Study, average
from pinch.analysis.tables import Row
from pinch.analysis.words import counted, p_text

EMBEDDED = (
    "This is the embedded world: a model of under a million parameters, pre-trained on pages made from Unicode CLDR names "
    "and hand-written templates. It is a laboratory, not a language model. Its pre-training pages contain quiz answers in "
    "another language than the question's; how many there are is the knob that sets how large the effect is. What is "
    "measured here is that the effect exists, its direction and its dose-response; its size is a property of this toy "
    "corpus and says nothing about real models."
)

POOR = 20.0
"""Exact match in percent under which answers are called poor."""


ELSEWHERE = (
    "The answers are poor: the embedded model knows names and templates, nothing else, and here it was tuned and asked with "
    "other data. The numbers show that the way from data to report works; name a real model with model=hf model.path=... "
    "for answers that mean something."
)

UNTOLD = (
    "No prompt has a reference answer, so nothing here says whether an answer is right; read the samples. The embedded "
    "judge compares with references and has no verdict without them."
)


def limits(
    study: Study,
    family: Family,
    curve: Curve | None,
    rows: list[Row],
    source: str,
    cut_off: Mapping[str, float],
    options: Options,
    model_source: str = "",
) -> list[str]:
    """Sentences on the data, the answers, the judge, the seeds and the intervals; only those that apply. `curve`
    is the family's main one; `source` and `model_source` are where corpus and model come from."""
    main = _main(study, curve, options)
    said = [EMBEDDED] if source == "embedded" else []
    said += [ELSEWHERE] if model_source == "embedded" != source else []
    said += [UNTOLD] if rows and all(row.exact is None for row in rows) else []
    said += _poor(study, family, curve)
    said += [
        f"{share:.0f} % of the answers of {label} were cut off at the token limit, so they are judged unfinished; raise "
        "generation.max_new_tokens."
        for label, share in cut_off.items()
        if share > 5
    ]
    judges = {row.judge for row in rows}
    if "reference" in judges:
        said.append(
            "The judge compares answers with one reference answer each, by exact match and character overlap. It is "
            "deterministic and knows no second right answer; it is no one's preference."
        )
    said += _invalid(rows)
    said += _seeds(family, main)
    undecided = sum(row.undecided * row.prompts for row in rows) / max(1, sum(row.prompts for row in rows))
    if undecided > 5:
        said.append(
            f"The language of {undecided:.0f} % of all judged answers could not be told (too short, or several fit); they "
            "count as not in the language asked."
        )
    said += _power(main)
    return said


def apart(families: Sequence[Family]) -> list[str]:
    """Says so when the workspace holds cells that must not be compared."""
    if len(families) < 2:
        return []
    labels = "; ".join(f"{counted(len(family.cells), 'model')} {family.label}" for family in families)
    return [
        f"The models differ in more than mixture and seed, so they fall into {len(families)} families that are never "
        f"compared with each other and need references of their own: {labels}."
    ]


def _poor(study: Study, family: Family, curve: Curve | None) -> list[str]:
    """Says so when even the models tuned on most languages, or each on its own language, are hardly ever exactly right."""
    if curve is None:
        kind = "their own"
        alone = {cell.axes.languages[0]: cell for cell in family.cells if cell.axes.n_languages == 1}
        values = [study.by_prompt([cell], [code], Metric.exact, study.main_reference) for code, cell in alone.items()]
    else:
        kind, languages = target(curve)
        top = curve.cells(curve.fractions[-1])
        kept = study.covered(top, languages, Metric.exact, curve.against)
        values = [study.by_prompt(top, kept, Metric.exact, curve.against)] if kept else []
    shares = [mean for mean in map(average, values) if mean is not None]
    exact = sum(shares) / len(shares) if shares else 100.0
    if exact >= POOR:
        return []
    who = "models tuned on one language" if curve is None else "models with the largest multilingual share"
    where = "language" if curve is None else "languages"
    return [
        f"The answers are poor: the {who} give the reference answer in {exact:.1f} % of cases in {kind} {where}. A tie can "
        "then mean that both answers are bad, and scores near 50 do not mean good."
    ]


def _invalid(rows: list[Row]) -> list[str]:
    total, bad = sum(row.prompts for row in rows), sum(row.invalid for row in rows)
    if not bad:
        return []
    widest = max((row.bound_high or 0) - (row.bound_low or 0) for row in rows)
    return [
        f"{bad:,} of {total:,} judgements ({100 * bad / total:.1f} %) were invalid and are left out; counted as all lost or "
        f"all won they would move a single score by up to {widest:.1f} points (bound_low and bound_high in scores.csv). "
        "Where most are invalid no score is given."
    ]


def _main(study: Study, curve: Curve | None, options: Options) -> Change | None:
    """The main comparison: the smallest multilingual share with none, by score."""
    if curve is None or curve.fractions[0] != 0:
        return None
    _, languages = target(curve)
    cells = curve.cells(curve.fractions[1])
    return change(study, cells, curve.cells(0.0), languages, Metric.score, curve.against, options)


def _seeds(family: Family, main: Change | None) -> list[str]:
    """What training again would change: not measured with one seed; measured, and how well, with more."""
    seeds = {cell.axes.seed for cell in family.cells}
    if len(seeds) < 2:
        return ["One seed: how much the same model differs when it is trained again is not measured here."]
    text = (
        f"Intervals and bands cover which prompts were asked, not new seeds, unless they say so; what {len(seeds)} seeds "
        "tell of new ones stands beside differences, as an interval over seeds and prompts."
    )
    if main is not None and main.seeds is not None:
        low, high = main.seeds.seed_sd_span
        text += (
            f" In the comparison of the smallest multilingual share with none the standard deviation over "
            f"{counted(main.seeds.seeds, 'seed')} is {main.seeds.seed_sd:.1f} points [{low:.1f}, {high:.1f}] "
            f"({p_text(main.seeds.p)} against 0)."
        )
    return [text]


def _power(main: Change | None) -> list[str]:
    """The smallest difference that the main comparison could have found."""
    if main is None or not main.gap.se > 0:
        return []
    return [
        f"With {counted(main.gap.n, 'prompt')}, the comparison of the smallest multilingual share with none finds a true "
        f"difference of {main.gap.detectable:.1f} points in four of five studies; smaller ones may go unseen."
    ]
