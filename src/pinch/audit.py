"""Stage: whether a judge can be trusted: its diagnostics over all that it judged, its agreement with people and other
judges, and how it stands up to answers that try to talk it into a verdict.

    multirun/<workspace>/verdicts/<judge>.diagnostics.json
    multirun/<workspace>/verdicts/<judge>.check.json
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pinch import cells, diagnostics, judges
from pinch.bench import Bench
from pinch.cells import Cell
from pinch.config import EvaluateConfig
from pinch.judges.check import report as injection
from pinch.judges.store import VerdictStore
from pinch.languages import LANGUAGES
from pinch.records import Item, read_json, read_jsonl, write_json
from pinch.rulings import Panel, People, Source
from pinch.stamps import stamps


def diagnose(bench: Bench, source: Source, console: Console) -> list[str]:
    """Print and keep the judge's diagnostics; gives the sentences that a user should read. Nothing is counted again as long
    as no item changed."""
    path = bench.workspace / "verdicts" / f"{source.name}.diagnostics.json"
    others = _compared(bench, source)
    known, inputs = read_json(path), _inputs(bench.cells, [source.name, *others], source)
    if known.get("inputs") != inputs:
        found = diagnostics.diagnose(_items(bench.cells, source.name), bench.settings.score.confidence)
        rule = bench.settings.score.tie_rule.value
        agreements = {
            name: diagnostics.agreement_with(_items(bench.cells, source.name), _items(bench.cells, name), rule)
            for name in others
        }
        among = _among(bench, source, rule)
        known = {
            "inputs": inputs,
            **diagnostics.plain(found),
            "agreement": {name: diagnostics.plain(one) for name, one in agreements.items()},
            "among": None if among is None else diagnostics.plain(among),
            "notes": [*diagnostics.lines(found), *_agreement_lines(agreements, among)],
        }
        write_json(path, known)
    if known["overall"]["asked"]:
        console.print(_table(known))
    notes: list[str] = known["notes"]
    return notes


def _compared(bench: Bench, source: Source) -> list[str]:
    """Judges that this one's agreement with is of interest: people, and to people everybody."""
    kinds: dict[str, str] = {}
    for cell in bench.cells:
        for name, entry in read_json(cell.scores_path).items():
            kinds.setdefault(name, str(entry.get("settings", {}).get("judge", {}).get("judge", "")))
    wanted = {"human"} if not isinstance(source, People) else set(kinds.values())
    return sorted(name for name, kind in kinds.items() if kind in wanted and name != source.name)


def _among(bench: Bench, source: Source, tie_rule: str) -> diagnostics.Among | None:
    """Agreement among the members of a panel, or among annotators."""
    if isinstance(source, Panel):
        return diagnostics.agreement_among({name: _items(bench.cells, name) for name in source.members}, tie_rule)
    if isinstance(source, People):
        said = source.by_annotator([contest for cell in bench.cells for contest in bench.contests(cell)])
        return diagnostics.agreement_among(said, tie_rule) if len(said) > 1 else None
    return None


def _agreement_lines(
    agreements: Mapping[str, diagnostics.Agreements], among: diagnostics.Among | None
) -> Iterator[str]:
    for name, one in agreements.items():
        yield from diagnostics.agreement_lines(name, one)
    for (one_name, other), both in ({} if among is None else among.pairs).items():
        yield from (f"{one_name}: {line}" for line in diagnostics.agreement_lines(other, both))


def _items(found: Sequence[Cell], judge: str) -> Iterator[Item]:
    for cell in found:
        path = cell.items_path(judge)
        if path.exists():
            yield from read_jsonl(path, lambda row: Item(**row))


def _inputs(found: Sequence[Cell], names: Sequence[str], source: Source) -> str:
    """Digest of the files that diagnostics are made from."""
    files = [cell.items_path(name) for cell in found for name in (*names, *getattr(source, "members", ()))]
    revisions = [source.revision(cell) for cell in found] if isinstance(source, People) else []
    return cells.digest([[list(stamp) for stamp in stamps(files)], revisions], 16)


def _table(known: Mapping[str, Any]) -> Table:
    title = f"the judge {known['judge']}, in % (position: share that names the answer shown first, p that it is 50)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in ("language", "n", "position", "p", "consistent", "ties", "longer wins", "invalid"):
        table.add_column(name, justify="left" if name == "language" else "right", no_wrap=True)
    for code, row in (*known["languages"].items(), ("all", known["overall"])):
        if not row["asked"]:
            continue
        p = row["p"] if code == "all" else row["p_holm"]
        shares = (row[name]["value"] for name in ("consistency", "ties", "longer_wins", "invalid_share"))
        table.add_row(
            code, f"{row['n']:,}", _percent(row["p_first"]["value"]), "-" if p is None else f"{p:.2g}",
            *map(_percent, shares),
        )  # fmt: skip
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def check(settings: EvaluateConfig, workspace: Path, console: Console) -> int:
    """Put the judge through the injection set and the sanity questions; replies are stored like any others. Gives the exit
    code: 0 whatever came out, as the report is the result."""
    judge = judges.make(settings.judge, workspace, list(LANGUAGES), {})
    store = VerdictStore(workspace, judge)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    pairs = injection.pairs()
    with Progress(*columns, console=console, transient=True) as progress:
        missing = list(store.missing(pairs, settings.judge.retry_invalid).values())
        bar = progress.add_task(f"checking {judge.name}", total=len(missing))
        for number in store.judge_missing(missing) if missing else ():
            progress.advance(bar, number)
    report = injection.report(judge.name, store.judgements(pairs))
    path = workspace / "verdicts" / f"{judge.name}.check.json"
    write_json(path, report.to_json())
    injection.show(report, console)
    for note in judge.notes():
        console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"{path}", highlight=False, soft_wrap=True, markup=False)
    return 0
