"""Stage: all questions of the study, put to one family of its cells after the other.

In: a `Study` and the shares of the pre-training pages, if the user has them. Out: a `Part` per question and family. The
largest family's figures have the plain names, those of the others carry the family's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pinch.analysis import curves
from pinch.analysis.curves import Curve
from pinch.analysis.questions import answered, confounds, judging, relatives, transfer
from pinch.analysis.questions.count import section as count
from pinch.analysis.questions.learning import section as learning
from pinch.analysis.questions.pairs import section as pairs
from pinch.analysis.questions.pretraining import section as pretraining
from pinch.analysis.questions.pretraining.shares import Shares
from pinch.analysis.questions.share import section as share
from pinch.analysis.sections import Gap, Section
from pinch.analysis.study import Family, Options, Study
from pinch.cells import Cell

TITLES = {
    "share": "How much multilingual data?",
    "count": "How many languages?",
    "transfer": "From one language to another",
    "pairs": "Two languages or one?",
    "relatives": "Similar languages",
    "pretraining": "The share of the pre-training data",
    "answered": "The language of the answers",
    "confounds": "Language and length in the scores",
    "learning": "Tuning",
    "judging": "The judge",
}
"""The questions, in the order in which they are told, and the titles of their chapters."""

HEADLINES = (
    "short", "every_language", "every_pinch", "language_count", "monolingual", "versus_base", "pairs", "relatives",
    "pretraining_share",
)  # fmt: skip
"""Keys of the findings that stand on top of the report and on the terminal."""


@dataclass(frozen=True)
class Part:
    """One question's section; `family` is None where it is about all cells (the judge)."""

    key: str
    title: str
    section: Section
    family: Family | None = None


@dataclass(frozen=True)
class Inquiry:
    """One family's answers, its main curve, and the groups of its cells that are shown side by side."""

    family: Family
    curve: Curve | None
    shown: dict[str, Sequence[Cell]]
    parts: tuple[Part, ...]


def inquire(
    study: Study, families: Sequence[Family], options: Options, shares: Shares | None, asked: Callable[[], None]
) -> list[Inquiry]:
    """Every question to every family; `asked` is called after each."""
    return [_one(study, family, options, shares, asked, at, len(families)) for at, family in enumerate(families)]


def judge_part(workspace: Path, judge: str) -> Part:
    """What is known of the judge."""
    return Part("judging", TITLES["judging"], judging.look(workspace, judge))


def _one(
    study: Study,
    family: Family,
    options: Options,
    shares: Shares | None,
    asked: Callable[[], None],
    at: int,
    families: int,
) -> Inquiry:
    found = curves.curves(study, family, options)
    shown = curves.showcase(family, found[0] if found else None)
    parts = []
    for key, look in _looks(study, family, options, shares, found, shown).items():
        section = look()
        if families > 1:
            section = _of_family(section, family, f"-{family.name}" if at else "")
        title = TITLES[key] if families == 1 else f"{TITLES[key]} {family.label}"
        parts.append(Part(key, title, section, family))
        asked()
    return Inquiry(family, found[0] if found else None, shown, tuple(parts))


def _looks(
    study: Study,
    family: Family,
    options: Options,
    shares: Shares | None,
    found: Sequence[Curve],
    shown: Mapping[str, Sequence[Cell]],
) -> dict[str, Callable[[], Section]]:
    return {
        "share": lambda: share.look(study, family, found, options),
        "count": lambda: count.look(study, family, options),
        "transfer": lambda: transfer.look(study, family, options),
        "pairs": lambda: pairs.look(study, family, options),
        "relatives": lambda: relatives.look(study, family, options),
        "pretraining": lambda: pretraining.look(study, family, options, shares),
        "answered": lambda: answered.look(study, family, shown, options),
        "confounds": lambda: confounds.look(study, family, shown, options),
        "learning": lambda: learning.look(study, family, shown, options),
    }


def _of_family(section: Section, family: Family, suffix: str) -> Section:
    """A section whose files and titles say which family it is of."""
    return replace(
        section,
        exhibits=[
            replace(one, name=f"{one.name}{suffix}", title=f"{one.title}: {family.label}") for one in section.exhibits
        ],
        findings=[replace(one, title=f"{family.label}: {one.title}") for one in section.findings],
        results=[replace(one, question=f"{family.label}: {one.question}") for one in section.results],
    )


def kept_gaps(inquiries: Sequence[Inquiry]) -> Iterator[tuple[Part, Gap]]:
    """The gaps worth telling: what a drawn figure lacks, and the figures that no family has, once."""
    drawn = {name for one in inquiries for part in one.parts for name in _drawn(part)}
    told: set[str] = set()
    for one in inquiries:
        for part in one.parts:
            for gap in part.section.gaps:
                if gap.name in _drawn(part) or gap.name not in drawn | told:
                    yield part, gap
                told.add(gap.name)


def _drawn(part: Part) -> set[str]:
    """Names of the figures that a part has, without its family's."""
    suffix = f"-{part.family.name}" if part.family else ""
    return {one.name.removesuffix(suffix) for one in part.section.exhibits}
