"""Flow: judge the answers of every cell against its references, in both orders, and score them. From files only.

In: the cells of a workspace with their answers. Out, per cell: items/<judge>.jsonl (one records.Item per prompt,
language and reference) and scores.json; per judge: verdicts/<judge>.jsonl. What was judged is not judged again, cells
whose inputs did not change are skipped, and a missing reference is said, with the command that makes it.
"""

import functools
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pinch import cells, identify, judges, references, scoreboard, scoring, tracking
from pinch.cells import Cell
from pinch.config import EvaluateConfig, LanguageGate
from pinch.errors import UserError
from pinch.judges.store import VerdictStore
from pinch.records import Answer, Item, Pair, Prompt, read_jsonl, write_json, write_jsonl

VERSION = 3
"""Of the way from answers to scores; another one makes every cell be scored anew."""


@dataclass(frozen=True)
class Contest:
    """One cell's answers in one language against those of one reference."""

    language: str
    kind: str
    reference: Cell


def evaluate(settings: EvaluateConfig, console: Console | None = None) -> int:
    """Judge and score a whole workspace. Gives the exit code: 1 when a cell's answers could not be used, else 0.

    Raises UserError when there is nothing to judge."""
    console = console or Console()
    workspace = Path(settings.root) / settings.workspace
    everything = cells.read_cells(workspace)
    found = [cell for cell in everything if cells.answered(cell)]
    if not found:
        raise UserError(f"{workspace}: no cell has answers yet; run python train.py first, or name another workspace=")
    bench = Bench(settings, workspace, found)
    scored: list[tuple[Cell, scoreboard.Entry]] = []
    errors: list[str] = []
    with _progress(console) as progress:
        bar = progress.add_task("scoring", total=len(found))
        for cell in found:
            try:
                scored.append((cell, bench.score(cell, progress)))
            except UserError as error:
                errors.append(f"{cell.id}: {error}")
            progress.advance(bar)
    if kind := scoreboard.telling(scored, settings.score.references):
        console.print(scoreboard.scoreboard(scored, kind))
    for note in scoreboard.notes(settings, scored, bench.absent, bench.near_misses, len(everything) - len(found)):
        console.print(f"note: {note}", highlight=False, soft_wrap=True)
    for line in errors:
        console.print(f"error: {line}", style="red", highlight=False, soft_wrap=True, markup=False)
    return 1 if errors else 0


class Bench:
    """Where a workspace is judged: its cells, prompts, answers and judge, each read once. `absent` maps kinds of
    reference to the languages that some cell misses one in, `near_misses` to the settings that keep others from it."""

    def __init__(self, settings: EvaluateConfig, workspace: Path, found: Sequence[Cell]) -> None:
        self.settings = settings
        self.workspace = workspace
        self.cells = found
        self.answered = {cell.id: cells.answered(cell) for cell in found}
        self._by_id = {cell.id: cell for cell in found}
        spoken = {code for cell in found for code in (*cell.axes.languages, cell.axes.base, *self.answered[cell.id])}
        self.languages = sorted(spoken)
        self.absent: dict[str, set[str]] = defaultdict(set)
        self.near_misses: dict[str, set[str]] = defaultdict(set)
        self._families = references.main_families(found)
        self.prompts = functools.cache(self._read_prompts)
        self._answers = functools.lru_cache(maxsize=256)(self._read_answers)
        self.tools = functools.cache(self._make_tools)
        self._fingerprint = functools.cache(lambda path: hashlib.sha256(path.read_bytes()).hexdigest()[:16])

    def score(self, cell: Cell, progress: Progress | None = None) -> scoreboard.Entry:
        """The cell's entry in scores.json, from its files if nothing changed, else judged and written."""
        name = self.settings.judge.name
        contests = self.contests(cell)
        identifier, store = self.tools(cells.read_status(cell.folder).get("generate", {}).get("lexicon"))
        inputs = self._inputs(cell, contests, store.judge.identity)
        known = _read_scores(cell).get(name, {})
        if known.get("inputs") == inputs and cell.items_path(name).exists() and not _any_invalid(known):
            return dict(known)
        self._judge(cell, contests, store, progress)
        facts = {code: self._facts(cell, code, identifier) for code in self.answered[cell.id]}
        items = [item for contest in contests for item in self._items(cell, contest, facts, store, identifier)]
        alone = facts.keys() - {contest.language for contest in contests}
        items += [
            fact for code in sorted(alone) for fact in facts[code]
        ]  # compared with nobody, but known all the same
        entry = self._entry(cell, items, facts, store.judge.identity, inputs)
        with cells.exclusive(self.workspace, f"{cell.id}.scores"):
            cells.tidy(cell, cells.JUDGED)
            write_jsonl(cell.items_path(name), map(vars, items))
            write_json(cell.scores_path, _read_scores(cell) | {name: entry})
        kinds = [kind for kind in self.settings.score.references if kind in entry["against"]]
        tracking.add_scores(cell, scoreboard.summary(entry, kinds[0] if kinds else ""), self.settings.tracking)
        return entry

    def contests(self, cell: Cell) -> list[Contest]:
        """The cell's comparisons: every kind of reference, every language answered, where there is a reference."""
        found = []
        for kind in self.settings.score.references:
            for code, name in sorted(self.answered[cell.id].items()):
                rivals = [rival for rival in self.cells if self.answered[rival.id].get(code) == name]
                reference = references.choose(kind, cell, code, rivals, self._families)
                if reference is None:
                    self.absent[kind].add(code)
                    self.near_misses[kind].update(references.near_miss(kind, cell, code, self.cells))
                else:
                    found.append(Contest(code, kind, reference))
        return found

    def pairs(self, cell: Cell, contest: Contest) -> Iterator[tuple[Prompt, Pair, Pair]]:
        """Every prompt whose two answers differ, with the pair in both orders: first the cell's answer first."""
        mine, theirs = self.answers(cell, contest.language), self.answers(contest.reference, contest.language)
        for prompt in self.prompts(contest.language, self.answered[cell.id][contest.language]):
            one, other = mine[prompt.id].text, theirs[prompt.id].text
            if one != other:
                asked = (prompt.id, prompt.language, prompt.instruction)
                yield prompt, Pair(*asked, one, other, prompt.reference), Pair(*asked, other, one, prompt.reference)

    def _judge(self, cell: Cell, contests: Sequence[Contest], store: VerdictStore, progress: Progress | None) -> None:
        compared = [contest for contest in contests if contest.reference.id != cell.id]
        missing = store.missing(p for c in compared for _, *both in self.pairs(cell, c) for p in both)
        if not missing:
            return
        bar = progress.add_task(f"judging {cell.id}", total=len(missing)) if progress else None
        for number in store.judge_missing(missing):
            if progress and bar is not None:
                progress.advance(bar, number)
        if progress and bar is not None:
            progress.remove_task(bar)

    def _facts(self, cell: Cell, language: str, identifier: identify.Identifier) -> list[Item]:
        """One item per prompt with what is known of the answer alone, compared with nothing yet."""
        answers = self.answers(cell, language)
        items = []
        for prompt in self.prompts(language, self.answered[cell.id][language]):
            text, reference = answers[prompt.id].text, prompt.reference
            exact = None if reference is None else scoring.exact(text, reference)
            items.append(
                Item(
                    cell.id, self.settings.judge.name, "", "", language, prompt.id, "", None, exact,
                    None if reference is None else 100.0 if exact else scoring.chrf(text, reference),
                    identifier.identify(text, language), identifier.right(text, language),
                )
            )  # fmt: skip
        return items

    def _items(
        self,
        cell: Cell,
        contest: Contest,
        facts: Mapping[str, Sequence[Item]],
        store: VerdictStore,
        identifier: identify.Identifier,
    ) -> list[Item]:
        """The facts of one language, completed by outcome and score against one reference."""
        own = contest.reference.id == cell.id
        tie_rule = self.settings.score.tie_rule.value
        results = {
            prompt.id: scoring.resolve(store.outcome(forth), store.outcome(back), tie_rule)
            for prompt, forth, back in (() if own else self.pairs(cell, contest))
        }
        theirs = self.answers(contest.reference, contest.language)
        items = []
        for fact in facts[contest.language]:
            result = scoring.SELF if own else results.get(fact.prompt, scoring.IDENTICAL)
            if self.settings.score.language_gate is LanguageGate.loss:
                right = identifier.right(theirs[fact.prompt].text, contest.language)
                result = scoring.gate(result, fact.right_language, right)
            values = vars(fact) | {"against": contest.kind, "reference_cell": contest.reference.id}
            items.append(Item(**(values | {"outcome": result.outcome, "score": result.score})))
        return items

    def _entry(
        self, cell: Cell, items: Sequence[Item], facts: Mapping[str, Sequence[Item]], identity: Any, inputs: str
    ) -> scoreboard.Entry:
        confidence = self.settings.score.confidence
        against = {
            kind: scoreboard.against_entry(cell, [item for item in items if item.against == kind], confidence)
            for kind in dict.fromkeys(item.against for item in items if item.against)
        }
        given = {code: self.answers(cell, code) for code in facts}
        settings = {"judge": identity, "score": cells.plain(self.settings.score)}
        answers = scoreboard.answers_entry(cell, facts, given, confidence)
        return {"settings": settings, "inputs": inputs, "against": against, "answers": answers}

    def _inputs(self, cell: Cell, contests: Sequence[Contest], identity: Any) -> str:
        """Digest of everything that the cell's scores depend on."""
        own = {code: (name, self._file(cell, code)) for code, name in self.answered[cell.id].items()}
        others = [(c.kind, c.language, c.reference.id, self._file(c.reference, c.language)) for c in contests]
        return cells.digest([VERSION, identity, cells.plain(self.settings.score), own, others, self.languages], 16)

    def _file(self, cell: Cell, language: str) -> str:
        return self._fingerprint(cell.answers_path(language))

    def _read_prompts(self, language: str, name: str) -> list[Prompt]:
        return cells.load_prompts(self.workspace, language, name)

    def answers(self, cell: Cell, language: str) -> dict[str, Answer]:
        """Answers by prompt id. Raises UserError unless they belong exactly to the cell's prompts."""
        return self._answers(cell.id, language)

    def _read_answers(self, cell_id: str, language: str) -> dict[str, Answer]:
        path = self._by_id[cell_id].answers_path(language)
        rows = read_jsonl(path, lambda row: Answer(**row))
        answers = {answer.id: answer for answer in rows}
        asked = {prompt.id for prompt in self.prompts(language, self.answered[cell_id][language])}
        if answers.keys() != asked or len(rows) != len(asked):
            raise UserError(
                f"{path}: {len(rows)} answers do not fit {len(asked)} prompts; remove the file and run train.py"
            )
        return answers

    def _make_tools(self, lexicon: str | None) -> tuple[identify.Identifier, VerdictStore]:
        words = cells.load_lexicon(self.workspace, lexicon)
        judge = judges.make(self.settings.judge, self.languages, words)
        return identify.shared(self.languages, words), VerdictStore(self.workspace, judge)


def _read_scores(cell: Cell) -> dict[str, Any]:
    """scores.json as it is; empty when there is none or it is broken, which writes it anew."""
    try:
        value = json.loads(cell.scores_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _any_invalid(entry: Mapping[str, Any]) -> bool:
    return any(row["invalid"] for kind in entry["against"].values() for row in kind["languages"].values())


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)
