"""Flow: from the scores of a workspace to its tables, statistics, figures and report.

In: cells and their items. Out, in multirun/<workspace>/analysis/: scores.csv, every figure as PNG, SVG and CSV,
findings.json, report.html and report.md. Reads files only; nothing is trained, judged or downloaded.
"""

import csv
import dataclasses
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from pinch import cells
from pinch.analysis import figures, report, samples, tables
from pinch.analysis.curves import showcase
from pinch.analysis.exhibits import Views, views
from pinch.analysis.findings import findings
from pinch.analysis.limits import apart, limits
from pinch.analysis.overview import cell_rows, facts
from pinch.analysis.reproduce import command, train_commands
from pinch.analysis.sections import Exhibit, Finding, Gap
from pinch.analysis.study import Options, Study, arrange, families
from pinch.analysis.tables import Row
from pinch.cells import Cell
from pinch.config import AnalyzeConfig
from pinch.errors import UserError, did_you_mean
from pinch.records import Item, read_jsonl, write_json, write_text


def analyze(settings: AnalyzeConfig, console: Console | None = None) -> int:
    """Write every table, figure and report that the workspace's scores allow; gives the exit code.

    Raises UserError when there is no cell, or none that the judge has judged."""
    console = console or Console()
    workspace = Path(settings.root) / settings.workspace
    options = Options(settings.confidence, settings.resamples)
    found = cells.read_cells(workspace)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    ) as progress:
        study = read(found, workspace, settings.judge.label(), progress)
        rows = tables.tidy(study, settings.judge.label(), options.confidence)
        folder = workspace / "analysis"
        write_csv(folder / "scores.csv", [dataclasses.asdict(row) for row in rows])
        shown = look(study, options)
        pictures = draw([exhibit for one in shown for exhibit in one.exhibits], folder, progress)
    said = [finding for one in shown for finding in say(study, one, options, prefixed=len(shown) > 1)]
    page = compose(settings, study, found, shown, rows, said, pictures, options)
    write_json(folder / "findings.json", [dataclasses.asdict(one) for one in said])
    write_text(folder / "report.html", report.render_html(page))
    write_text(folder / "report.md", report.render_markdown(page))
    tell(console, page, folder)
    return 0


def read(found: Sequence[Cell], workspace: Path, judge: str, progress: Progress) -> Study:
    """The items of every judged cell as a study. Raises UserError when the judge has judged none of them."""
    judged = [cell for cell in found if cell.items_path(judge).exists()]
    if not judged:
        names = sorted({path.stem for cell in found for path in cell.folder.glob("items/*.jsonl")})
        if names:
            raise UserError(f"judge={judge}: it has judged nothing in {workspace}{did_you_mean(judge, names)}")
        raise UserError(f"{workspace}: nothing is judged yet; run {command('evaluate.py', workspace)} first")
    task = progress.add_task("reading scores", total=len(judged))

    def items() -> Iterable[tuple[Cell, list[Item]]]:
        for cell in judged:
            yield cell, read_jsonl(cell.items_path(judge), lambda row: Item(**row))
            progress.advance(task)

    study = arrange(items())
    if not study.cells:
        raise UserError(f"{workspace}: no prompt is judged yet; run {command('evaluate.py', workspace)} again")
    return study


def look(study: Study, options: Options) -> list[Views]:
    """The views of every family; the largest family's figures have the plain names."""
    found = families(study)
    several = len(found) > 1
    return [views(study, one, options, f"-{one.name}" if at else "", several) for at, one in enumerate(found)]


def say(study: Study, one: Views, options: Options, prefixed: bool) -> list[Finding]:
    """A family's findings, each with the family's label where there are several."""
    found = findings(study, one.curve, one.count, one.matrix, options)
    before = f"{one.family.label}: " if prefixed else ""
    return [dataclasses.replace(finding, title=f"{before}{finding.title}") for finding in found]


def missing(shown: Sequence[Views]) -> list[Gap]:
    """The figures that no family has."""
    there = {name for one in shown for name in one.drawn}
    gaps = {gap.name: gap for one in shown for gap in one.gaps if gap.name not in there}
    return list(gaps.values())


def draw(exhibits: Sequence[Exhibit], folder: Path, progress: Progress) -> list[report.Shown]:
    """Draw every figure and write its CSV."""
    task = progress.add_task("drawing figures", total=len(exhibits))
    shown = []
    for exhibit in exhibits:
        write_csv(folder / f"{exhibit.name}.csv", exhibit.rows)
        shown.append(report.show(exhibit, figures.render(exhibit.name, folder, exhibit.draw)))
        progress.advance(task)
    return shown


def compose(
    settings: AnalyzeConfig,
    study: Study,
    found: Sequence[Cell],
    shown: Sequence[Views],
    rows: list[Row],
    said: list[Finding],
    pictures: list[report.Shown],
    options: Options,
) -> report.Report:
    """Everything the report says."""
    workspace = Path(settings.root) / settings.workspace
    against = study.main_reference
    documents = {cell.id: document(cell) for cell in found}
    main = next((one for one in shown if one.curve is not None), shown[0] if shown else None)
    browsed = samples.browse(study, showcase(main.family, main.curve) if main else {}, against)
    used: dict[str, dict[str, Any]] = next((d["settings"] for d in documents.values() if "settings" in d), {})
    sources = [used.get(part, {}).get("source", "") for part in ("data", "model")]
    doubts = limits(study, main, rows, sources[0], browsed.cut_off, options, sources[1]) if main else []
    doubts += apart([one.family for one in shown])
    return report.Report(
        workspace=settings.workspace,
        lead=lead(study, settings.judge.label()),
        findings=said,
        facts=facts(study, found, documents, settings),
        figures=pictures,
        gaps=[(gap, train_command(gap, workspace)) for gap in missing(shown)],
        cells=cell_rows(study, found, against),
        samples=browsed.samples,
        limits=doubts,
        commands=[
            *train_commands([d["settings"] for d in documents.values() if "settings" in d], workspace),
            command("evaluate.py", workspace),
            command("analyze.py", workspace),
        ],
        against=against or "monolingual",
    )


def lead(study: Study, judge: str) -> str:
    """One line on what stands below."""
    places = {(cell, language): sheet.prompts for (cell, _, language), sheet in study.sheets.items()}
    answers = sum(places.values())
    return (
        f"{len(study.cells)} models, {len(study.prompts)} prompts in {len(study.languages)} languages, {answers:,} answers, "
        f"judge {judge}."
    )


def document(cell: Cell) -> dict[str, Any]:
    """cell.yaml as it stands, for settings and versions."""
    loaded = yaml.load((cell.folder / "cell.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return loaded if isinstance(loaded, dict) else {}


def train_command(gap: Gap, workspace: Path) -> str:
    """The command that would make a missing figure's cells; empty where training would not help."""
    return command("train.py", workspace, gap.arguments) if gap.arguments else ""


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows as CSV with a header, numbers in full, empty where there is nothing."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _entry(value) for name, value in row.items()} for row in rows)
    write_text(path, buffer.getvalue())


def _entry(value: Any) -> Any:
    """Floats to nine digits, NaN and None as nothing."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.9g}"
    return value


def tell(console: Console, page: report.Report, folder: Path) -> None:
    """The summary on the terminal: findings, figures that are missing, where the report lies."""
    body = Text("\n\n").join(
        Text.assemble((f"{finding.title}. ", "bold"), finding.text, *(f"\n  {point}" for point in finding.points))
        for finding in page.findings
    )
    if not page.findings:
        body = Text("Nothing can be said yet: the cells that exist allow no comparison.")
    console.print(Text(f"{page.workspace}: {page.lead}"), soft_wrap=True)
    console.print(Panel(body, title="findings", title_align="left"))
    for doubt in page.limits[:2]:  # what a reader of these numbers must know first; the report has the rest
        console.print(f"note: {doubt}", highlight=False, markup=False)
    for gap, line in page.gaps:
        console.print(Text(f"not drawn: {gap.title} ({gap.reason})"))
        if line:
            console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(Text(f"report: {folder / 'report.html'}"), soft_wrap=True)
