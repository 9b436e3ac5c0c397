"""Which references a sweep's cells will have, by the rule that evaluate follows (pinch.references), and which they lack."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pinch import cells, references
from pinch.cells import Cell
from pinch.config import Method, ScoreConfig, TrainConfig
from pinch.jobs import Job

KINDS = tuple(ScoreConfig().references)

Group = tuple[Path, str]
"""A workspace, and the family, or else the root_key, that cells in it share: those who can have the same reference."""


@dataclass(frozen=True)
class Gap:
    """A reference that is missing in a language. `settings` make it; None: the corpus has no examples in the language.
    `job` is one of the `group` that needs it."""

    kind: str
    group: Group
    language: str
    job: Job
    settings: TrainConfig | None


class Bench:
    """The cells of a sweep beside those that exist: who is, or will be, whose reference."""

    def __init__(self, jobs: Sequence[Job], existing: Iterable[Cell]) -> None:
        self._jobs = jobs
        others = list(existing)
        workspaces: dict[Path, list[Cell]] = defaultdict(list)
        for cell in [*(job.cell for job in jobs), *others]:
            workspaces[cell.folder.parent].append(cell)
        self._families = {workspace: references.main_families(found) for workspace, found in workspaces.items()}
        self._rivals: dict[tuple[Group, str, str], list[Cell]] = defaultdict(list)
        digests = {job.cell.folder: job.digests for job in jobs}
        for cell in [*(job.cell for job in jobs), *others]:
            if cell.axes.n_languages < 2:
                self._note(cell, cells.answered(cell) | digests.get(cell.folder, {}))

    def reference(self, kind: str, job: Job, language: str) -> Cell | None:
        """Who the job's cell will be compared with in a language once the sweep is done; None: nobody."""
        group = self._group(kind, job.cell)
        rivals = self._rivals.get((group, language, job.digests[language]), []) if group else []
        return references.choose(kind, job.cell, language, rivals, self._families[job.cell.folder.parent])

    def can_have(self, kind: str, job: Job, language: str) -> bool:
        """Whether a reference that is missing can be made."""
        return (kind, self._group(kind, job.cell), language) in self._can_be_made

    @cached_property
    def _can_be_made(self) -> set[tuple[str, Group, str]]:
        return {(gap.kind, gap.group, gap.language) for gap in self.gaps if gap.settings is not None}

    @cached_property
    def gaps(self) -> list[Gap]:
        """The references that tuned cells of the sweep will lack, and untuned models that any cell will lack."""
        groups: dict[tuple[str, Group], list[Job]] = defaultdict(list)
        for kind in KINDS:
            for job in self._jobs:
                group = self._group(kind, job.cell)
                if group and not (kind == "monolingual" and job.cell.untuned):
                    groups[kind, group].append(job)
        found = []
        for (kind, group), jobs in groups.items():
            asked = {(code, digest): job for job in reversed(jobs) for code, digest in job.digests.items()}
            for code, job in ((code, job) for (code, _), job in asked.items()):
                if self.reference(kind, job, code) is None:
                    found.append(Gap(kind, group, code, job, _settings(kind, job, code, jobs)))
        return found

    def _group(self, kind: str, cell: Cell) -> Group | None:
        """None for the untuned model among nobody who was tuned: it has no monolingual references."""
        workspace = cell.folder.parent
        if kind == "base":
            return workspace, cell.root_key
        family = self._families[workspace].get(cell.root_key) if cell.untuned else cell.family
        return None if family is None else (workspace, family)

    def _note(self, cell: Cell, digests: dict[str, str]) -> None:
        """Keep the languages in which a cell can be a reference, by what it does or will have answered."""
        for code, digest in digests.items():
            if cell.untuned or cell.axes.languages == (code,):
                group = cell.folder.parent, cell.root_key if cell.untuned else cell.family
                self._rivals[group, code, digest].append(cell)


def missing_references(jobs: Sequence[Job], existing: Iterable[Cell]) -> list[TrainConfig]:
    """Settings of the cells that scores of these jobs' cells are measured against and that are neither among them nor
    finished, as far as they can be made."""
    return settings_of(Bench(jobs, existing).gaps)


def settings_of(gaps: Iterable[Gap]) -> list[TrainConfig]:
    """What makes the missing references, each once."""
    found: dict[tuple[str, Group, str], TrainConfig] = {}
    for gap in gaps:
        if gap.settings is not None:
            found.setdefault((gap.kind, gap.group, gap.language if gap.kind == "monolingual" else ""), gap.settings)
    return list(found.values())


def _settings(kind: str, job: Job, language: str, jobs: Sequence[Job]) -> TrainConfig | None:
    """Settings of the reference of a group of jobs, which answers in all languages that any of them is evaluated in."""
    settings = job.settings
    asked = None
    if any(other.settings.languages.evaluation is not None for other in jobs):
        asked = list(dict.fromkeys(code for other in jobs for code in other.prompts))
    if kind == "base":
        tuning = replace(settings.tuning, name="none", method=Method.none)
        return replace(settings, tuning=tuning, languages=replace(settings.languages, evaluation=asked))
    if language not in job.corpus.examples:
        return None
    languages = replace(
        settings.languages, name="one", base=language, count=1, permutation=0, tuning=None, evaluation=asked
    )
    mixture = replace(settings.mixture, fraction=None, count=None, counts=None)
    seed = min(other.settings.seed for other in jobs)
    return replace(settings, languages=languages, mixture=mixture, seed=seed)
