"""Stage: rulings of several judges that have judged the workspace, by majority or mean of what each makes of a prompt."""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinch import cells, panels, scoring
from pinch.bench import Bench, Contest
from pinch.cells import Cell
from pinch.config import EvaluateConfig
from pinch.errors import UserError, did_you_mean
from pinch.records import Item, Pair, read_json, read_jsonl
from pinch.rulings.source import Ruling
from pinch.scoring import Result


class Panel:
    """Several judges that have judged the workspace, by majority or mean of what each makes of a prompt."""

    def __init__(self, settings: EvaluateConfig, bench: Bench) -> None:
        self.name = settings.judge.label()
        self.members = sorted(set(settings.judge.members))
        self._combine = settings.judge.combine.value
        self._score = {key: cells.plain(settings.score)[key] for key in ("tie_rule", "language_gate")}
        if self.name in self.members:
            raise UserError(f"judge.members: {self.name} is the panel's own name; set another judge.name")
        self._refuse_unknown(bench)
        by_id = {cell.id: cell for cell in bench.cells}
        self._items = functools.lru_cache(maxsize=2)(lambda name: self._read(by_id[name]))

    def identity(self, cell: Cell) -> Any:
        return {"judge": "panel", "members": self.members, "combine": self._combine}

    def revision(self, cell: Cell) -> str:
        paths = [cell.items_path(member) for member in self.members]
        return cells.digest([hashlib.sha256(p.read_bytes()).hexdigest() if p.exists() else "" for p in paths], 16)

    def missing(self, contests: Sequence[Contest]) -> dict[str, Pair]:
        return {}

    def ask(self, cell: Cell, pairs: Mapping[str, Pair]) -> Iterator[int]:
        yield from ()

    def rule(self, contest: Contest) -> dict[str, Ruling]:
        said: dict[str, list[Result]] = defaultdict(list)
        for items in self._items(contest.cell.id):
            for item in items.get((contest.kind, contest.language), ()):
                if item.reference_cell == contest.reference.id:
                    said[item.prompt].append(Result(item.outcome, item.score))
        found = {}
        for prompt, results in said.items():
            if all(result == scoring.IDENTICAL for result in results):
                continue
            asked = [result for result in results if result != scoring.UNJUDGED]
            whole = len(asked) == len(self.members)
            found[prompt] = Ruling(panels.combine(asked, self._combine) if whole else scoring.UNJUDGED)
        return found

    def notes(self) -> list[str]:
        return []

    def _read(self, cell: Cell) -> list[dict[tuple[str, str], list[Item]]]:
        self._refuse_other_rules(cell)
        found = []
        for member in self.members:
            by_contest: dict[tuple[str, str], list[Item]] = defaultdict(list)
            path = cell.items_path(member)
            for item in read_jsonl(path, lambda row: Item(**row)) if path.exists() else ():
                by_contest[item.against, item.language].append(item)
            found.append(by_contest)
        return found

    def _refuse_unknown(self, bench: Bench) -> None:
        known = sorted({path.stem for cell in bench.cells for path in cell.folder.glob("items/*.jsonl")} - {self.name})
        for member in self.members:
            if member not in known:
                there = f"; there are: {', '.join(known)}" if known else ""
                raise UserError(
                    f"judge.members: {member} has judged nothing in {bench.workspace}{did_you_mean(member, known) or there}"
                )

    def _refuse_other_rules(self, cell: Cell) -> None:
        for member in self.members:
            rules = read_json(cell.scores_path).get(member, {}).get("settings", {}).get("score", {})
            for key, value in self._score.items():
                if rules and rules.get(key) != value:
                    raise UserError(
                        f"judge.members: {member} was scored with score.{key}={rules.get(key)}, the panel with {value}; "
                        "score both with the same"
                    )
