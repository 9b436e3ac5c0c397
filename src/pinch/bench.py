"""Stage: a workspace as it lies before a judge: who is compared with whom, on which answers, and what each answer is like
by itself. Reads files, each once; judges nothing.
"""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pinch import cells, identify, references, scoring
from pinch.cells import Cell
from pinch.config import EvaluateConfig
from pinch.errors import CellError, UserError, did_you_mean
from pinch.records import Answer, Item, Pair, Prompt, read_jsonl

ANSWERS = 256
"""Answer files kept in memory."""


@dataclass(frozen=True)
class Contest:
    """One cell's answers in one language against those of one reference; `kind` is its name among score.references."""

    cell: Cell
    language: str
    kind: str
    reference: Cell

    @property
    def own(self) -> bool:
        """Whether the cell is its own reference: 50 by definition."""
        return self.reference.id == self.cell.id


def in_order(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Prompts in an order that is drawn once for all: by the hash of their ids, the same in every language and cell."""
    return sorted(prompts, key=lambda prompt: hashlib.sha256(prompt.id.encode("utf-8", "surrogatepass")).digest())


class Bench:
    """The cells of a workspace that have answers, their contests and pairs.

    `cells` are those to be scored, `everybody` those that may be references. `absent` maps kinds of reference to the
    languages that some cell misses one in, `near_misses` to the settings that keep others from it."""

    def __init__(self, settings: EvaluateConfig, everything: Sequence[Cell]) -> None:
        self.settings = settings
        self.workspace = Path(settings.root) / settings.workspace
        self.everybody = [cell for cell in everything if cells.answered(cell)]
        if not self.everybody:
            raise UserError(
                f"{self.workspace}: no cell has answers yet; run python train.py first, or name another workspace="
            )
        self.unanswered = len(everything) - len(self.everybody)
        self.answered = {cell.id: cells.answered(cell) for cell in self.everybody}
        self.cells = self._chosen()
        self.kinds = {name: self._kind(name) for name in settings.score.references}
        spoken = {code for c in self.everybody for code in (*c.axes.languages, c.axes.base, *self.answered[c.id])}
        self.languages = sorted(spoken)
        self._refuse_unknown_languages()
        self.absent: dict[str, set[str]] = defaultdict(set)
        self.near_misses: dict[str, set[str]] = defaultdict(set)
        self._by_id = {cell.id: cell for cell in self.everybody}
        self._families = references.main_families(self.everybody)
        self._rivals = self._sort_rivals()
        self._contests: dict[str, list[Contest]] = {}
        self.prompts = functools.cache(self._read_prompts)
        self.sample = functools.cache(self._draw_sample)
        self.lexicon = functools.cache(lambda name: cells.load_lexicon(self.workspace, name))
        self._answers = functools.lru_cache(maxsize=ANSWERS)(self._read_answers)
        self._fingerprint = functools.cache(lambda path: hashlib.sha256(path.read_bytes()).hexdigest()[:16])

    def narrow(self, wanted: Callable[[Cell], bool]) -> None:
        """Score only the cells that are wanted; the others stay references."""
        self.cells = [cell for cell in self.cells if wanted(cell)]

    def scored_languages(self, cell: Cell) -> dict[str, str]:
        """The languages that the cell is scored in, with the digests of their prompts."""
        wanted = self.settings.only.languages
        return {code: name for code, name in self.answered[cell.id].items() if wanted is None or code in wanted}

    def contests(self, cell: Cell) -> list[Contest]:
        """The cell's comparisons: every kind of reference, every language answered, where there is a reference."""
        if cell.id not in self._contests:
            self._contests[cell.id] = self._find_contests(cell)
        return self._contests[cell.id]

    def _find_contests(self, cell: Cell) -> list[Contest]:
        found = []
        for name, kind in self.kinds.items():
            for code, prompts in sorted(self.scored_languages(cell).items()):
                rivals = self._rivals.get((kind if kind not in references.KINDS else "", code, prompts), [])
                reference = references.choose(kind, cell, code, rivals, self._families)
                if reference is None:
                    self.absent[name].add(code)
                    self.near_misses[name].update(references.near_miss(kind, cell, code, self.everybody))
                else:
                    found.append(Contest(cell, code, name, reference))
        return found

    def _sort_rivals(self) -> dict[tuple[str, str, str], list[Cell]]:
        """Who may be a reference, by the language answered and the digest of its prompts: those tuned on one language at
        most, under "", and the cells that references name, under their ids."""
        found: dict[tuple[str, str, str], list[Cell]] = defaultdict(list)
        for cell in self.everybody:
            names = [""] if cell.axes.n_languages < 2 else []
            for name in [*names, *([cell.id] if cell.id in self.kinds.values() else [])]:
                for code, prompts in self.answered[cell.id].items():
                    found[name, code, prompts].append(cell)
        return found

    def asked(self, cell: Cell, language: str) -> list[Prompt]:
        """The prompts of a language that are judged: all, or the judge's sample of them."""
        return self.sample(language, self.answered[cell.id][language])

    def pairs(self, contest: Contest) -> Iterator[tuple[Prompt, Pair, Pair]]:
        """Every prompt whose two answers differ, with the pair in both orders: first the cell's answer first."""
        if contest.own:
            return
        cell, language = contest.cell, contest.language
        mine, theirs = self.answers(cell, language), self.answers(contest.reference, language)
        for prompt in self.asked(cell, language):
            one, other = mine[prompt.id].text, theirs[prompt.id].text
            if one != other:
                asked = (prompt.id, prompt.language, prompt.instruction)
                yield prompt, Pair(*asked, one, other, prompt.reference), Pair(*asked, other, one, prompt.reference)

    def identifier(self, cell: Cell) -> identify.Identifier:
        return identify.shared(self.languages, self.lexicon(self.lexicon_name(cell)))

    def lexicon_name(self, cell: Cell) -> str | None:
        name: str | None = cells.read_status(cell.folder).get("generate", {}).get("lexicon")
        return name

    def facts(self, cell: Cell, language: str, judge: str) -> list[Item]:
        """One item per prompt with what is known of the answer alone, compared with nothing yet."""
        identifier = self.identifier(cell)
        answers = self.answers(cell, language)
        items = []
        for prompt in self.prompts(language, self.answered[cell.id][language]):
            text, reference = answers[prompt.id].text, prompt.reference
            exact = None if reference is None else scoring.exact(text, reference)
            items.append(
                Item(
                    cell.id, judge, "", "", language, prompt.id, "", None, exact,
                    None if reference is None else 100.0 if exact else scoring.chrf(text, reference),
                    identifier.identify(text, language), identifier.right(text, language), length=len(text),
                )
            )  # fmt: skip
        return items

    def answers(self, cell: Cell, language: str) -> dict[str, Answer]:
        """Answers by prompt id. Raises CellError unless they belong exactly to the cell's prompts."""
        return self._answers(cell.id, language)

    def fingerprint(self, cell: Cell, language: str) -> str:
        """Digest of the cell's answer file."""
        return self._fingerprint(cell.answers_path(language))

    def _chosen(self) -> list[Cell]:
        words = self.settings.only.cells
        if words is None:
            return self.everybody
        names = [cell.id for cell in self.everybody]
        for word in words:
            if not any(word in name for name in names):
                raise UserError(f"only.cells: no id in {self.workspace} contains {word!r}{did_you_mean(word, names)}")
        return [cell for cell in self.everybody if any(word in cell.id for word in words)]

    def _kind(self, name: str) -> str:
        """monolingual, base, or the id of the one cell that a reference names. Raises UserError for anything else."""
        if name in references.KINDS:
            return name
        names = [cell.id for cell in self.everybody]
        found = [cell for cell in names if name == cell] or [cell for cell in names if cell.endswith(f"-{name}")]
        if len(found) != 1:
            known = [*references.KINDS, *names]
            raise UserError(
                f"score.references: {name!r} is neither monolingual nor base nor a cell with answers in {self.workspace}"
                f"{did_you_mean(name, known)}"
            )
        return found[0]

    def _refuse_unknown_languages(self) -> None:
        known = {code for answered in self.answered.values() for code in answered}
        for code in self.settings.only.languages or ():
            if code not in known:
                raise UserError(f"only.languages: no cell has answers in {code}; there are: {', '.join(sorted(known))}")

    def _read_prompts(self, language: str, name: str) -> list[Prompt]:
        return cells.load_prompts(self.workspace, language, name)

    def _draw_sample(self, language: str, name: str) -> list[Prompt]:
        prompts, number = self.prompts(language, name), self.settings.judge.max_prompts
        if number is None or number >= len(prompts):
            return prompts
        kept = {prompt.id for prompt in in_order(prompts)[:number]}
        return [prompt for prompt in prompts if prompt.id in kept]

    def _read_answers(self, cell_id: str, language: str) -> dict[str, Answer]:
        path = self._by_id[cell_id].answers_path(language)
        try:
            rows = read_jsonl(path, lambda row: Answer(**row))
        except UserError as error:
            raise CellError(str(error)) from None
        answers = {answer.id: answer for answer in rows}
        asked = {prompt.id for prompt in self.prompts(language, self.answered[cell_id][language])}
        if answers.keys() != asked or len(rows) != len(asked):
            raise CellError(
                f"{path}: {len(rows)} answers do not fit {len(asked)} prompts; remove the file and run train.py"
            )
        return answers
