"""Stage: what was run, in words and as a table of models.

In: the cells of a workspace, judged or not, and their cell.yaml documents. Out: facts and table rows of the report.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pinch import cells, stats
from pinch.analysis.report import CellRow, Mean
from pinch.analysis.study import Metric, Study, average, table_order
from pinch.cells import Cell, role
from pinch.config import AnalyzeConfig


def facts(
    study: Study, found: Sequence[Cell], documents: Mapping[str, Mapping[str, Any]], settings: AnalyzeConfig
) -> list[tuple[str, str]]:
    """(name, value) pairs: cells, seeds, corpus, tuning, generation, judging, versions."""
    judged = {cell.id for cell in study.cells}
    left = [cell for cell in found if cell.id not in judged]
    state = f"{len(judged)} judged" + (f", {len(left)} not judged" if left else "")
    untuned = " (one of them untuned)" if any(cell.untuned for cell in found) else ""
    result = [("Models", f"{len(found)}{untuned}: {state}")]
    result += [("Base model", names) for names in [_values(cell.axes.model for cell in found)]]
    tuned = [cell for cell in found if not cell.untuned]
    if tuned:
        result += [
            ("Corpus", _values(cell.axes.data for cell in tuned)),
            (
                "Budget",
                f"{_values(f'{cell.axes.budget:,}' for cell in tuned)} examples a model, the same ones in every mixture",
            ),
            ("Seeds", _values(str(cell.axes.seed) for cell in tuned)),
            ("Tuning", _settings(documents, tuned, "tuning", TUNING)),
            ("Generation", _settings(documents, tuned, "generation", GENERATION)),
        ]
    result += [
        ("Evaluation", f"{len(study.prompts)} prompts in {', '.join(study.languages)}"),
        ("Judge", settings.judge.label()),
        ("Against", ", ".join(name for name in study.references if name)),
        ("Intervals", f"{100 * settings.confidence:g} %, {settings.resamples:,} resamples behind bands"),
        ("Versions", _versions(documents.values())),
    ]
    return [(name, value) for name, value in result if value]


TUNING = ("method", "rank", "alpha", "lr", "epochs", "max_steps", "batch_size", "schedule", "warmup", "loss_unit")
GENERATION = ("max_new_tokens",)


def _values(values: Any) -> str:
    """The distinct values, comma separated, in the order they first come in."""
    return ", ".join(dict.fromkeys(str(value) for value in values))


def _settings(
    documents: Mapping[str, Mapping[str, Any]], tuned: Sequence[Cell], group: str, names: Sequence[str]
) -> str:
    """The settings of a group, each with all the values it has among the tuned cells. What is part of a cell's identity
    is taken from there: a learning rate that was left to the model is then a number."""
    said = []
    for name in names:
        values = []
        for cell in tuned:
            known = cell.identity.get(group, {})
            written = documents.get(cell.id, {}).get("settings", {}).get(group, {})
            value = known.get(name, written.get(name))
            if value is not None:
                values.append(f"{value:g}" if isinstance(value, float) else str(value))
        if values:
            said.append(f"{name} {_values(values)}")
    return "; ".join(said)


def _versions(documents: Any) -> str:
    """Versions from cell.yaml; several of one name are all named."""
    found: dict[str, dict[str, None]] = {}
    for document in documents:
        for name, version in document.get("versions", {}).items():
            found.setdefault(str(name), {})[str(version)] = None
    return ", ".join(f"{name} {' and '.join(versions)}" for name, versions in found.items())


def cell_rows(study: Study, found: Sequence[Cell], against: str, confidence: float = 0.95) -> list[CellRow]:
    """The table of models: one line a cell, judged or not, ordered by number of languages, languages, share, seed. The
    intervals of its means over languages are over prompts, all languages of a prompt together."""
    judged = {cell.id for cell in study.cells}

    def order(cell: Cell) -> tuple[Any, ...]:
        axes = cell.axes
        names = tuple(table_order(code) for code in axes.languages)
        return (axes.model, axes.method, axes.budget, axes.n_languages, names, axes.fraction, axes.seed or 0)

    return [_cell_row(study, cell, against, cell.id in judged, confidence) for cell in sorted(found, key=order)]


def _cell_row(study: Study, cell: Cell, against: str, judged: bool, confidence: float) -> CellRow:
    axes, status = cell.axes, cells.read_status(cell.folder)
    by_role: dict[str, list[str]] = {"base": [], "seen": [], "unseen": []}
    for language in study.languages if judged else ():
        by_role[role(cell, language)].append(language)

    def score(name: str) -> Mean | None:
        return _mean(study, cell, by_role[name], against, confidence)

    def rate(metric: Metric) -> float | None:
        return average(study.by_prompt([cell], by_role["unseen"], metric, against))

    return CellRow(
        id=cell.id,
        languages=" ".join(axes.languages) if axes.languages else "untuned",
        share=100 * axes.fraction,
        seed="" if axes.seed is None else str(axes.seed),
        base=score("base"),
        seen=score("seen"),
        unseen=score("unseen"),
        exact=rate(Metric.exact),
        right_language=rate(Metric.right_language),
        loss=_fact(status, "final_loss"),
        seconds=_fact(status, "seconds"),
        state=_state(status, judged),
    )


def _mean(study: Study, cell: Cell, languages: Sequence[str], against: str, confidence: float) -> Mean | None:
    """The mean score over languages; without an interval where the cell is its own reference in all of them."""
    values = study.by_prompt([cell], languages, Metric.score, against)
    centre = average(values)
    if centre is None:
        return None
    sheets = [study.sheet(cell, language, Metric.score, against) for language in languages]
    if all(sheet.own_reference for sheet in sheets if sheet is not None):
        return Mean(centre)
    estimate = stats.mean(values, confidence)
    return Mean(estimate.mean, estimate.low, estimate.high)


def _fact(status: Mapping[str, Any], name: str) -> float | None:
    value = status.get("tune", {}).get(name)
    return float(value) if isinstance(value, int | float) else None


def _state(status: Mapping[str, Any], judged: bool) -> str:
    """judged, or how far the cell has come."""
    for stage, entry in status.items():
        if isinstance(entry, dict) and entry.get("state") == "failed":
            return f"{stage} failed: {entry.get('error', '')}"[:120]
    if judged:
        return "judged"
    return "answered" if status.get("generate", {}).get("state") == "done" else "not finished"
