"""Stage: what is known of some prompts: every answer, what was found about it, and what judges said of it.

In: the workspace's prompts, answers, items and verdicts. Out: `Given`s by cell, language and prompt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pinch.analysis.answers.rows import answers_of, items_of
from pinch.analysis.answers.testimony import Contested, Hearing, Marks, Place, Said
from pinch.analysis.study import Study
from pinch.cells import answered, load_prompts
from pinch.errors import UserError
from pinch.records import Answer, Pair, Prompt


@dataclass(frozen=True, slots=True)
class Given:
    """One answer of a cell, and what is known of it; `marks` are None where it was not judged."""

    text: str
    complete: bool
    marks: Marks | None = None
    said: tuple[Said, ...] = ()


class Evidence:
    """The files of a study's cells. `cells` are by id, `prompts` by language and id; `languages` in the study's order."""

    def __init__(self, study: Study, against: str, workspace: Path, judge: str) -> None:
        self.workspace, self.judge = workspace, judge
        self.hearing = Hearing(workspace, judge)
        self.cells = {cell.id: cell for cell in study.cells}
        self.languages = study.languages
        self._sheets = study.sheets
        self._order = tuple(dict.fromkeys((against, *study.references)))
        self._answered = {cell.id: answered(cell) for cell in study.cells}
        self._by_digest: dict[tuple[str, str], dict[str, Prompt]] = {}
        self.prompts: dict[str, dict[str, Prompt]] = {}
        for digests in self._answered.values():
            for language, name in digests.items():
                self.prompts[language] = self._asked(language, name) | self.prompts.get(language, {})

    def spoken(self, cell: str) -> list[str]:
        """Those of the study's languages that a cell has answered."""
        return [language for language in self.languages if language in self._answered[cell]]

    def reference(self, cell: str, language: str) -> str:
        """The cell whose answers a cell's were compared with; empty if none that is there."""
        sheet = self._sheets.get((cell, self._kind(cell, language) or "", language))
        return sheet.reference_cell if sheet is not None and sheet.reference_cell in self.cells else ""

    def gather(
        self, places: Mapping[str, Sequence[str]], prompts: Sequence[str], said: bool = True
    ) -> dict[Place, Given]:
        """The answers of cells in languages to prompts. On request also what was said of them, which is known of an answer
        when the one that it was compared with is there too."""
        names = frozenset(prompts)
        seen: dict[Marks, Marks] = {}  # a few hundred different ones, of up to a million answers
        found: dict[Place, Given] = {
            (cell, language, answer.id): Given(answer.text, answer.complete)
            for cell, languages in places.items()
            for language in languages
            for answer in self._answers(cell, language, names)
        }
        for cell, languages in places.items():
            kinds = {language: self._kind(cell, language) for language in languages}
            for item in items_of(self.cells[cell].items_path(self.judge), kinds, names):
                place = (cell, item.language, item.prompt)
                if (given := found.get(place)) is not None:
                    marks = Marks.of(item)
                    found[place] = Given(given.text, given.complete, seen.setdefault(marks, marks))
        heard = self.hearing.hear(list(self._contests(found))) if said else {}
        for place, words in heard.items():
            found[place] = replace(found[place], said=tuple(words))
        return found

    def _contests(self, found: Mapping[Place, Given]) -> Iterator[Contested]:
        for (cell, language, name), given in found.items():
            marks, prompt = given.marks, self.prompts.get(language, {}).get(name)
            if marks is None or prompt is None or marks.reference_cell == cell:
                continue
            other = found.get((marks.reference_cell, language, name))
            if other is not None and other.text != given.text:
                pair = Pair(name, prompt.language, prompt.instruction, given.text, other.text, prompt.reference)
                yield Contested(self.cells[cell], language, marks, pair)

    def _answers(self, cell: str, language: str, names: frozenset[str]) -> Iterator[Answer]:
        """A cell's answers to the prompts as they are shown: those to others of the same name are left out."""
        asked = self._asked(language, self._answered[cell][language])
        for answer in answers_of(self.cells[cell].answers_path(language), names):
            if asked.get(answer.id) == self.prompts[language].get(answer.id):
                yield answer

    def _kind(self, cell: str, language: str) -> str | None:
        """The kind of reference whose items are read: the one asked for, else any, for what is known of answers alone."""
        return next((kind for kind in self._order if (cell, kind, language) in self._sheets), None)

    def _asked(self, language: str, name: str) -> dict[str, Prompt]:
        """The prompts of a digest; none if their file is gone, for the answers are there all the same."""
        if (language, name) not in self._by_digest:
            try:
                rows = load_prompts(self.workspace, language, name)
            except UserError:
                rows = []
            self._by_digest[language, name] = {prompt.id: prompt for prompt in rows}
        return self._by_digest[language, name]
