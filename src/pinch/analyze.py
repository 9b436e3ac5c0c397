"""Flow: from the scores of a workspace to its tables, statistics, figures and report.

In: cells and their items. Out, in multirun/<workspace>/analysis/: scores.csv, every figure as PNG, SVG and CSV, results.csv,
findings.json, tables/*.tex, report.html and report.md. Reads files only; nothing is trained, judged or downloaded.
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

from pinch import cells, tracking
from pinch.analysis import answers, figures, latex, report, tables
from pinch.analysis.inquiry import HEADLINES, TITLES, Inquiry, Part, inquire, judge_part, kept_gaps
from pinch.analysis.limits import apart, limits
from pinch.analysis.matrices import Matrix, blocks, monolingual_matrix
from pinch.analysis.overview import cell_rows, facts
from pinch.analysis.questions.pretraining import shares
from pinch.analysis.reproduce import command, experiment_command, train_commands
from pinch.analysis.sections import Gap
from pinch.analysis.study import Family, Options, Study, arrange, families
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
    folder, judge = workspace / "analysis", settings.judge.label()
    options = Options(settings.confidence, settings.resamples)
    known = shares.read(Path(settings.shares)) if settings.shares else None
    found = cells.read_cells(workspace)
    if settings.dashboard:
        tracking.check_dashboard(workspace)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
    ) as progress:
        study = read(found, workspace, judge, progress)
        rows = tables.tidy(study, judge, options.confidence)
        write_csv(folder / "scores.csv", [dataclasses.asdict(row) for row in rows])
        inquiries = ask(study, options, known, progress)
        parts = [*(part for one in inquiries for part in one.parts), judge_part(workspace, judge)]
        pictures = draw(parts, folder, progress)
        page = compose(settings, study, found, inquiries, parts, rows, pictures, options, progress)
    write(page, parts, matrices(study, inquiries, options), folder)
    tell(console, page, folder)
    publish(settings, study, rows, parts, console)
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


def ask(study: Study, options: Options, known: shares.Shares | None, progress: Progress) -> list[Inquiry]:
    """Every question to every family."""
    found = families(study)
    task = progress.add_task("asking questions", total=len(found) * (len(TITLES) - 1))
    return inquire(study, found, options, known, lambda: progress.advance(task))


def draw(parts: Sequence[Part], folder: Path, progress: Progress) -> dict[str, report.Shown]:
    """Draw every figure and write its CSV; by the figure's name."""
    exhibits = [exhibit for part in parts for exhibit in part.section.exhibits]
    task = progress.add_task("drawing figures", total=len(exhibits))
    shown = {}
    for exhibit in exhibits:
        write_csv(folder / f"{exhibit.name}.csv", exhibit.rows)
        shown[exhibit.name] = report.show(exhibit, figures.render(exhibit.name, folder, exhibit.draw))
        progress.advance(task)
    return shown


def matrices(study: Study, inquiries: Sequence[Inquiry], options: Options) -> list[Matrix]:
    """The monolingual matrices of every family, for the LaTeX tables."""
    found = [
        monolingual_matrix(study, one.family, against, options, block)
        for one in inquiries
        for block in blocks(study, one.family)[:1]
        for against in ("monolingual", "base")
    ]
    return [matrix for matrix in found if matrix is not None]


def compose(
    settings: AnalyzeConfig,
    study: Study,
    found: Sequence[Cell],
    inquiries: Sequence[Inquiry],
    parts: Sequence[Part],
    rows: list[Row],
    pictures: dict[str, report.Shown],
    options: Options,
    progress: Progress,
) -> report.Report:
    """Everything the report says."""
    workspace, judge = Path(settings.root) / settings.workspace, settings.judge.label()
    against = study.main_reference
    documents = {cell.id: document(cell) for cell in found}
    used = [d["settings"] for d in documents.values() if "settings" in d]
    main = next((one for one in inquiries if one.curve is not None), inquiries[0] if inquiries else None)
    task = progress.add_task("reading answers", total=None)
    browsed = answers.browse(study, found, main.shown if main else {}, against, workspace, judge)
    progress.update(task, total=1, completed=1)
    sources = [used[0].get(part, {}).get("source", "") if used else "" for part in ("data", "model")]
    doubts = []
    if main:
        doubts = limits(study, main.family, main.curve, rows, sources[0], browsed.cut_off, options, sources[1])
    doubts += apart([one.family for one in inquiries])
    said = [finding for part in parts for finding in part.section.findings]
    return report.Report(
        workspace=settings.workspace,
        lead=lead(study, judge),
        headline=[finding for finding in said if finding.key in HEADLINES],
        chapters=chapters(study, inquiries, parts, pictures, documents, workspace),
        facts=facts(study, found, documents, settings),
        cells=cell_rows(study, found, against, options.confidence),
        scores=rows,
        answers=browsed,
        limits=doubts,
        commands=[
            *train_commands(used, workspace),
            command("evaluate.py", workspace),
            command("analyze.py", workspace),
        ],
        against=against or "monolingual",
    )


def chapters(
    study: Study,
    inquiries: Sequence[Inquiry],
    parts: Sequence[Part],
    pictures: dict[str, report.Shown],
    documents: dict[str, dict[str, Any]],
    workspace: Path,
) -> list[report.Chapter]:
    """A chapter per question that has something to say or lacks something."""
    gaps = [*kept_gaps(inquiries), *((part, gap) for part in parts if part.family is None for gap in part.section.gaps)]
    found = []
    for at, part in enumerate(parts):
        lacking = [(gap, remedy(study, part.family, gap, documents, workspace)) for one, gap in gaps if one is part]
        section = part.section
        chapter = report.Chapter(
            part.title,
            part.key if [one.key for one in parts[:at]].count(part.key) == 0 else f"{part.key}-{at}",
            [pictures[exhibit.name] for exhibit in section.exhibits],
            section.findings,
            lacking,
            section.results,
            section.limits,
        )
        if chapter.shown or chapter.findings or chapter.gaps:
            found.append(chapter)
    return found


def remedy(study: Study, family: Family | None, gap: Gap, documents: dict[str, dict[str, Any]], workspace: Path) -> str:
    """The command that would make what is missing; empty where training would not help."""
    if not gap.arguments or family is None:
        return ""
    settings = next((documents[cell.id]["settings"] for cell in family.cells if "settings" in documents[cell.id]), None)
    if settings is None:
        return command("train.py", workspace, gap.arguments)
    seeds = {cell.axes.seed for cell in family.cells if cell.axes.seed is not None}
    return experiment_command(gap.arguments, settings, seeds, study.languages, workspace)


def write(page: report.Report, parts: Sequence[Part], drawn: Sequence[Matrix], folder: Path) -> None:
    """Findings, results, tables and both reports."""
    said = [finding for part in parts for finding in part.section.findings]
    results = [(part.title, result) for part in parts for result in part.section.results]
    write_json(folder / "findings.json", [dataclasses.asdict(one) for one in said])
    write_csv(folder / "results.csv", [{"chapter": title, **dataclasses.asdict(one)} for title, one in results])
    texts = latex.tables(results, drawn, page.cells, page.against)
    for name, text in texts.items():
        write_text(folder / "tables" / name, text)
    page = dataclasses.replace(page, latex=[f"tables/{name}" for name in texts])
    write_text(folder / "report.html", report.render_html(page))
    write_text(folder / "report.md", report.render_markdown(page))


def publish(
    settings: AnalyzeConfig, study: Study, rows: Sequence[Row], parts: Sequence[Part], console: Console
) -> None:
    """Send the analysis to where tracking says, and save the dashboard, if that is asked for."""
    workspace = Path(settings.root) / settings.workspace
    exhibits = [exhibit.name for part in parts for exhibit in part.section.exhibits]
    said = [finding for part in parts for finding in part.section.findings]
    tracking.publish_analysis(
        workspace,
        settings.tracking,
        [dataclasses.asdict(row) for row in rows],
        [workspace / "analysis" / f"{name}.png" for name in exhibits],
        [dataclasses.asdict(one) for one in said],
    )
    if settings.dashboard:
        url = tracking.publish_dashboard(workspace, settings.tracking, study.languages)
        if url:
            console.print(f"dashboard: {url}", soft_wrap=True, highlight=False)


def lead(study: Study, judge: str) -> str:
    """One line on what stands below."""
    places = {(cell, language): sheet.prompts for (cell, _, language), sheet in study.sheets.items()}
    number = sum(places.values())
    return (
        f"{len(study.cells)} models, {len(study.prompts)} prompts in {len(study.languages)} languages, {number:,} answers, "
        f"judge {judge}."
    )


def document(cell: Cell) -> dict[str, Any]:
    """cell.yaml as it stands, for settings and versions."""
    loaded = yaml.load((cell.folder / "cell.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return loaded if isinstance(loaded, dict) else {}


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
        Text.assemble((f"{finding.title}. ", "bold"), finding.brief or finding.text) for finding in page.headline
    )
    if not page.headline:
        body = Text("Nothing can be said yet: the cells that exist allow no comparison.")
    console.print(Text(f"{page.workspace}: {page.lead}"), soft_wrap=True)
    console.print(Panel(body, title="findings", title_align="left"))
    for doubt in page.limits[:2]:  # what a reader of these numbers must know first; the report has the rest
        console.print(f"note: {doubt}", highlight=False, markup=False)
    for gap, line in (lacking for chapter in page.chapters for lacking in chapter.gaps):
        console.print(Text(f"missing: {gap.title} ({gap.reason})"), soft_wrap=True)
        if line:
            console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(Text(f"report: {folder / 'report.html'}"), soft_wrap=True)
