"""Flow: judge the answers of every cell against its references, in both orders, and score them. From files only.

In: the cells of a workspace with their answers. Out, per cell: items/<judge>.jsonl (one records.Item per prompt,
language and reference) and scores.json; per judge: verdicts/<judge>.jsonl and its diagnostics. What was judged is not
judged again, cells whose inputs did not change are skipped, and a missing reference is said, with the command that makes it.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pinch import audit, calls, cells, exchange, judging, rulings, scoreboard, scoring, tracking
from pinch.bench import Bench, Contest
from pinch.cells import Cell
from pinch.config import EvaluateConfig, Exchange, LanguageGate, PlanShow
from pinch.errors import CellError
from pinch.records import Item, read_json, write_json, write_jsonl
from pinch.rulings import SKIPPED, Judged, People, Ruling, Rulings, Sequential, Source

VERSION = 4
"""Of the way from answers to scores; another one makes every cell be scored anew."""


def evaluate(settings: EvaluateConfig, console: Console | None = None) -> int:
    """Judge and score a whole workspace. Gives the exit code: 1 when a cell's answers could not be used or comparisons were
    left unjudged, else 0.

    Raises UserError when there is nothing to judge, or the judge cannot be asked."""
    console = console or Console()
    workspace = Path(settings.root) / settings.workspace
    if settings.check:
        return audit.check(settings, workspace, console)
    if settings.annotations is not None:
        exchange.show_annotations(settings, console)
        if not workspace.exists():
            return 0
    bench = Bench(settings, cells.read_cells(workspace))
    if settings.export is not Exchange.none:
        return exchange.export(bench, console)
    source = rulings.make(settings, bench)
    if settings.plan.show is not PlanShow.off:
        return calls.show(calls.count(bench, source), settings, console)
    if not exchange.prepare(bench, source, console):
        return 0
    scored, errors = _score_all(bench, source, console)
    _tell(bench, source, scored, errors, console)
    if isinstance(source, People):
        exchange.offer_page(bench, source, console)
    unasked = isinstance(source, Judged) and any(entry["open"] for _, entry in scored)
    return 1 if errors or unasked else 0


def _score_all(bench: Bench, source: Source, console: Console) -> tuple[list[tuple[Cell, scoreboard.Entry]], list[str]]:
    """The entry of every cell, and a line for each whose answers could not be used."""
    scored: list[tuple[Cell, scoreboard.Entry]] = []
    errors: list[str] = []
    with _progress(console) as progress:
        if isinstance(source, Judged):
            stale = [cell for cell in bench.cells if _known(cell, bench, source) is None]
            judging.ask(bench, source, stale, progress)
        bar = progress.add_task("scoring", total=len(bench.cells))
        for cell in bench.cells:
            try:
                scored.append((cell, score(cell, bench, source)))
            except CellError as error:
                errors.append(f"{cell.id}: {error}")
            progress.advance(bar)
    return scored, errors


def score(cell: Cell, bench: Bench, source: Source) -> scoreboard.Entry:
    """The cell's entry in scores.json, from its files if nothing changed, else from what was judged, and written."""
    entry = _known(cell, bench, source) or _make_entry(cell, bench.contests(cell), bench, source)
    return _track(cell, entry, bench.settings, source.name)


def _known(cell: Cell, bench: Bench, source: Source) -> scoreboard.Entry | None:
    """The cell's entry if nothing changed since it was made, and nobody is to be asked again."""
    known: scoreboard.Entry = read_json(cell.scores_path).get(source.name, {})
    made = known.get("inputs") == _inputs(cell, bench.contests(cell), bench, source)
    return known if made and cell.items_path(source.name).exists() and not _to_ask(known, bench.settings) else None


def _make_entry(cell: Cell, contests: Sequence[Contest], bench: Bench, source: Source) -> scoreboard.Entry:
    """Score the cell from what is known now, and write it down."""
    facts = {code: bench.facts(cell, code, source.name) for code in bench.scored_languages(cell)}
    items: list[Item] = []
    unanswered = 0
    for contest in contests:
        said = source.rule(contest)
        unanswered += sum(ruling.unanswered for ruling in said.values())
        items += _items(contest, facts[contest.language], said, bench)
    alone = facts.keys() - {contest.language for contest in contests}  # compared with nobody, but known all the same
    items += [fact for code in sorted(alone) for fact in facts[code]]
    score = bench.settings.score
    against = {
        kind: _against(kind, cell, [item for item in items if item.against == kind], contests, source, score.confidence)
        for kind in dict.fromkeys(item.against for item in items if item.against)
    }
    given = {code: bench.answers(cell, code) for code in facts}
    unjudged = sum(row["unjudged"] for kind in against.values() for row in kind["languages"].values())
    entry = {
        "settings": {"judge": source.identity(cell), "score": cells.plain(score)},
        "inputs": _inputs(cell, contests, bench, source),
        "open": unjudged + unanswered,
        "against": against,
        "answers": scoreboard.answers_entry(cell, facts, given, score.confidence),
    }
    with cells.exclusive(bench.workspace, f"{cell.id}.scores"):
        cells.tidy(cell, cells.JUDGED)
        write_jsonl(cell.items_path(source.name), map(vars, items))
        write_json(cell.scores_path, read_json(cell.scores_path) | {source.name: entry})
    return entry


def _against(
    kind: str, cell: Cell, items: Sequence[Item], contests: Sequence[Contest], source: Source, confidence: float
) -> scoreboard.Entry:
    if not isinstance(source, Sequential):
        return scoreboard.against_entry(cell, items, confidence)
    courses = {one.language: source.course(one) for one in contests if one.kind == kind and not one.own}
    return scoreboard.decided_entry(items, courses, confidence)


def _items(contest: Contest, facts: Sequence[Item], said: Rulings, bench: Bench) -> list[Item]:
    """The facts of one language, completed by outcome and score against one reference."""
    gated = bench.settings.score.language_gate is LanguageGate.loss
    theirs = bench.answers(contest.reference, contest.language)
    identifier = bench.identifier(contest.cell)
    asked = {prompt.id for prompt in bench.asked(contest.cell, contest.language)}
    same = Ruling(scoring.SELF if contest.own else scoring.IDENTICAL)
    items = []
    for fact in facts:
        if fact.prompt not in asked:
            continue
        ruling, text = said.get(fact.prompt, same), theirs[fact.prompt].text
        result = ruling.result
        if result == SKIPPED:
            continue
        if gated:
            result = scoring.gate(result, fact.right_language, identifier.right(text, contest.language))
        told = {
            "against": contest.kind,
            "reference_cell": contest.reference.id,
            "outcome": result.outcome,
            "score": result.score,
            "forth": ruling.forth,
            "back": ruling.back,
            "reference_length": len(text),
        }
        items.append(Item(**(vars(fact) | told)))
    return items


def _inputs(cell: Cell, contests: Sequence[Contest], bench: Bench, source: Source) -> str:
    """Digest of everything that the cell's scores depend on."""
    settings = bench.settings
    scored = bench.scored_languages(cell).items()
    own = {code: (name, bench.fingerprint(cell, code)) for code, name in scored}
    others = [(c.kind, c.language, c.reference.id, bench.fingerprint(c.reference, c.language)) for c in contests]
    rules = [cells.plain(settings.score), settings.judge.max_prompts, bench.languages]
    return cells.digest([VERSION, source.identity(cell), source.revision(cell), rules, own, others], 16)


def _to_ask(entry: scoreboard.Entry, settings: EvaluateConfig) -> bool:
    """Whether somebody would be asked again about a cell that did not change."""
    rows = [row for kind in entry["against"].values() for row in kind["languages"].values()]
    return bool(entry["open"]) or (settings.judge.retry_invalid and any(row["invalid"] for row in rows))


def _track(cell: Cell, entry: scoreboard.Entry, settings: EvaluateConfig, judge: str) -> scoreboard.Entry:
    """Send the scores to the cell's run, once; a run that misses them because of a crash, or because there was no key, gets
    them next time."""
    if not tracking.wanted(cell, settings.tracking, entry.get("tracked")):
        return entry
    kinds = [kind for kind in settings.score.references if kind in entry["against"]]
    values = scoreboard.summary(entry, kinds[0] if kinds else "", judge)
    entry = entry | {"tracked": tracking.add_scores(cell, values, settings.tracking) or True}
    with cells.exclusive(cell.folder.parent, f"{cell.id}.scores"):
        write_json(cell.scores_path, read_json(cell.scores_path) | {judge: entry})
    return entry


def _tell(
    bench: Bench,
    source: Source,
    scored: Sequence[tuple[Cell, scoreboard.Entry]],
    errors: Sequence[str],
    console: Console,
) -> None:
    """The table of scores, the judge's diagnostics, and what the user should know."""
    if kind := scoreboard.telling(scored, bench.settings.score.references):
        shown = scoreboard.decisions if isinstance(source, Sequential) else scoreboard.scoreboard
        console.print(shown(scored, kind))
    notes = [*scoreboard.notes(bench, scored), *audit.diagnose(bench, source, console), *source.notes()]
    for note in notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True, markup=False)
    for line in errors:
        console.print(f"error: {line}", style="red", highlight=False, soft_wrap=True, markup=False)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
