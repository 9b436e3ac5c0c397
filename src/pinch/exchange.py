"""Stage: what comes into judging and goes out of it as files: annotators' labels and their page, batches of requests and
their results, stored replies read again, and the formats of AlpacaEval.
"""

import csv
import io
from collections import Counter
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from pinch import alpaca
from pinch.bench import Bench
from pinch.config import Batch, EvaluateConfig
from pinch.errors import UserError
from pinch.judges.api import batches
from pinch.judges.api.judge import ApiJudge
from pinch.judges.people.annotations import read_annotations
from pinch.judges.people.page import write_page
from pinch.judges.store import Change, VerdictStore
from pinch.records import Pair, write_text
from pinch.rulings import Annotations, Judged, People, Source

EXAMPLES = 5
"""Changed verdicts that are shown in full."""


def prepare(bench: Bench, source: Source, console: Console) -> bool:
    """Bring in what lies in files, before anything is asked. False when there is nothing left to do."""
    settings = bench.settings
    if settings.reparse:
        _reread(source, console)
    if isinstance(source, People):
        _take_labels(settings, source, bench, console)
    if isinstance(source, Annotations):
        return _match(source, bench, console)
    if settings.judge.batch is Batch.write:
        _write_batch(bench, source, console)
        return False
    if settings.judge.batch is Batch.read:
        _read_batch(bench, source, console)
    return True


# --- stored replies -------------------------------------------------------------------------------------------------


def _reread(source: Source, console: Console) -> None:
    if not isinstance(source, Judged):
        raise UserError(f"reparse: {source.name} has no stored replies to read again; leave reparse out")
    for store in source.stores():
        replies, changes = store.reread()
        _say(console, f"{store.path}: {replies:,} stored replies read again, {len(changes):,} say something else now")
        if changes:
            console.print(_table(changes))
            for change in changes[:EXAMPLES]:
                shown = "".join(letter if letter.isprintable() else " " for letter in change.raw)
                tail = " ".join(shown.split())[-160:]
                _say(console, f"  {change.language} {change.prompt}: {change.before} -> {change.after}: ...{tail}")


def _table(changes: list[Change]) -> Table:
    table = Table("read before as", "now as", box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("replies", justify="right")
    counts = Counter((change.before.value, change.after.value) for change in changes)
    for (before, after), number in sorted(counts.items()):
        table.add_row(before, after, f"{number:,}")
    return table


# --- people -----------------------------------------------------------------------------------------------------------


def _take_labels(settings: EvaluateConfig, source: People, bench: Bench, console: Console) -> None:
    for name in settings.judge.results:
        found = read_annotations(Path(name), folder(bench))
        new, changed, same = source.verdicts.add(found.labels)
        _say(console, f"{name}: of {found.annotator}, {new} new labels, {changed} changed, {same} known")
        for warning in found.warnings:
            _say(console, f"note: {warning}")


def offer_page(bench: Bench, source: People, console: Console) -> None:
    """Write the page with every pair that nobody has labelled."""
    pairs: dict[str, Pair] = {}
    for cell in bench.cells:
        pairs |= source.missing(bench.contests(cell))
    if not pairs:
        names = ", ".join(source.verdicts.annotators)
        _say(
            console, f"every pair has been labelled by {names}" if names else "no two answers differ: nothing to label"
        )
        return
    page = write_page(folder(bench), list(pairs.values()), bench.settings.judge.seed or 0, source.name)
    _say(
        console,
        f"{page.path}: a page with {page.pairs:,} pairs that nobody has labelled; it needs a browser, no network",
    )
    _say(console, "give all annotators the same page: where two have labelled the same pairs, their agreement is told")
    _say(console, "when it is done: python evaluate.py judge=human 'judge.results=[FILE_THAT_THE_PAGE_SAVED]'")
    if bench.settings.judge.max_prompts is None and page.pairs > 500:
        _say(
            console,
            "judge.max_prompts=20 shows fewer prompts per language; only.languages and only.cells narrow it too",
        )


def folder(bench: Bench) -> Path:
    """Where pages and their manifests lie."""
    return bench.workspace / "annotate"


# --- batches of requests ----------------------------------------------------------------------------------------------


def _wanted(bench: Bench, source: Judged) -> dict[str, Pair]:
    wanted: dict[str, Pair] = {}
    for cell in bench.cells:
        wanted |= source.missing(bench.contests(cell))
    return wanted


def _api(source: Source) -> tuple[Judged, ApiJudge, VerdictStore]:
    if isinstance(source, Judged):
        (store,) = source.stores()
        if isinstance(store.judge, ApiJudge):
            return source, store.judge, store
    raise UserError("judge.batch is for judge=api; other judges send no requests")


def _write_batch(bench: Bench, source: Source, console: Console) -> None:
    judged, judge, _ = _api(source)
    wanted = _wanted(bench, judged)
    if not wanted:
        _say(console, "every pair is judged; there is nothing to write")
        return
    paths = batches.write_requests(judge, wanted, bench.workspace)
    _say(console, f"{len(wanted):,} requests in {len(paths)} file{'s' * (len(paths) > 1)}:")
    for path in paths:
        _say(console, f"  {path}")
    _say(console, "send them to the batch API; then the same command with judge.batch=read 'judge.results=[FILE,...]'")


def _read_batch(bench: Bench, source: Source, console: Console) -> None:
    judged, judge, store = _api(source)
    results = batches.Results(judge, [Path(name) for name in bench.settings.judge.results], _wanted(bench, judged))
    store.keep(list(results))
    _say(console, f"read {results.describe()}")


# --- AlpacaEval -------------------------------------------------------------------------------------------------------


def show_annotations(settings: EvaluateConfig, console: Console) -> None:
    """What a file of annotations says by itself: one row per model."""
    rows = alpaca.read_annotations(Path(str(settings.annotations)))
    title = "annotations, score in % (50 = par with the reference of each row)"
    table = Table("model", title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("n", "wins", "draws", "losses", "invalid", "score", "SE", "interval", "if invalid lost .. won"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in alpaca.summary(rows, settings.score.confidence):
        table.add_row(
            row.generator, str(row.n), str(row.wins), str(row.draws), str(row.losses), str(row.invalid),
            f"{row.score:.2f}", f"{row.se:.2f}", f"{row.low:.1f} .. {row.high:.1f}",
            f"{row.low_if_invalid_lost:.1f} .. {row.high_if_invalid_won:.1f}",
        )  # fmt: skip
    console.print(table)


def _match(source: Annotations, bench: Bench, console: Console) -> bool:
    """Keep the cells that any annotation belongs to. False when there are none."""
    bench.narrow(lambda cell: source.knows(bench.contests(cell)))
    if not bench.cells:
        _say(
            console,
            "note: no annotation belongs to answers of this workspace (instruction and both outputs must agree)",
        )
    return bool(bench.cells)


def export(bench: Bench, console: Console) -> int:
    """Write every cell's answers as AlpacaEval's model_outputs.json, and which file is compared with which."""
    to = bench.workspace / "exchange" / "alpaca_eval"
    rows = []
    written: set[Path] = set()
    for cell in bench.cells:
        for contest in bench.contests(cell):
            if contest.own:
                continue
            paths = []
            for side in (cell, contest.reference):
                path = to / side.id / contest.language / "model_outputs.json"
                if path not in written:
                    prompts = bench.prompts(contest.language, bench.answered[side.id][contest.language])
                    answers = bench.answers(side, contest.language)
                    alpaca.write_model_outputs(path, prompts, answers, side.id, f"pinch-{contest.language}")
                    written.add(path)
                paths.append(path)
            rows.append([cell.id, contest.language, contest.kind, *(str(path) for path in paths)])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([["cell", "language", "against", "model_outputs", "reference_outputs"], *rows])
    write_text(to / "contests.csv", text.getvalue())
    _say(
        console,
        f"{to}: {len(written)} files of answers; contests.csv names {len(rows)} comparisons, of which the first is",
    )
    if rows:
        _say(console, f"  alpaca_eval --model_outputs {rows[0][3]} --reference_outputs {rows[0][4]}")
    _say(console, "its annotations.json comes back with python evaluate.py annotations=FILE judge.name=NAME")
    return 0


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)
