"""Edge: the W&B run of an analysis: its figures as pictures, the tidy table, the findings.

One run per workspace and judge, found again by its id: an analysis that is made again updates it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch.cells import digest
from pinch.config import TrackingConfig, TrackingMode
from pinch.tracking.runs import finite
from pinch.tracking.said import say
from pinch.tracking.server import open_session

ROWS = 10_000
"""Rows of the tidy table that are sent; more make W&B's pages slow."""


def publish_analysis(
    workspace: Path,
    settings: TrackingConfig,
    rows: Sequence[Mapping[str, Any]],
    pictures: Sequence[Path],
    findings: Sequence[Mapping[str, Any]],
) -> None:
    """Add or update the workspace's analysis: `rows` of scores.csv, `pictures` as PNG files, `findings` as in
    findings.json. Says in one line what it cannot do; never raises for a tracker's failure."""
    if settings.mode in (TrackingMode.csv, TrackingMode.tensorboard):
        say(f"tracking={settings.mode.value}: only W&B takes an analysis; its files are in {workspace / 'analysis'}")
    if settings.mode not in (TrackingMode.auto, TrackingMode.wandb):
        return
    try:
        _publish(workspace, settings, rows, pictures, findings)
    except Exception as error:  # a tracker must never stop an analysis
        say(f"W&B failed ({error}); the analysis is complete in {workspace / 'analysis'}")


def run_id(workspace: Path, judge: str) -> str:
    """The id of the analysis of a workspace by a judge."""
    return f"analysis-{digest([workspace.name, judge])}"


def _publish(
    workspace: Path,
    settings: TrackingConfig,
    rows: Sequence[Mapping[str, Any]],
    pictures: Sequence[Path],
    findings: Sequence[Mapping[str, Any]],
) -> None:
    judge = str(rows[0].get("judge", "")) if rows else ""
    if len(rows) > ROWS:
        say(f"the first {ROWS:,} of {len(rows):,} rows of the tidy table are sent to W&B; scores.csv has all")
    session = open_session(
        workspace / "wandb",
        settings,
        id=run_id(workspace, judge),
        name=f"analysis of {workspace.name}" + (f" by {judge}" if judge else ""),
        group=settings.group or workspace.name,
        job_type="analyze",
        tags=[*settings.tags, "analysis"],
        config={"workspace": workspace.name, "judge": judge},
    )
    if session is None:
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    content = [_known(row, columns) for row in rows[:ROWS]]
    said = [[finding.get("title"), _text(finding)] for finding in findings]
    drawn = [path for path in pictures if path.suffix == ".png" and path.exists()]
    state = digest([content, said, [(path.name, digest(path.read_bytes().hex())) for path in drawn]], 16)
    if session.run.summary.get("analysis/digest") != state:
        session.table("scores", columns, content)
        session.table("findings", ("about", "finding"), said)
        for path in drawn:
            session.picture(f"figures/{path.stem}", path)
    counts = {"cells": len({row.get("cell") for row in rows}), "rows": len(rows), "figures": len(drawn)}
    named = {f"findings/{finding.get('key')}": _text(finding) for finding in findings}
    session.summarise({f"analysis/{name}": number for name, number in counts.items()} | named)
    session.summarise({"analysis/digest": state})
    session.close(0)


def _known(row: Mapping[str, Any], columns: Iterable[str]) -> list[Any]:
    """A row's values in the order of the columns, None for what is no number."""
    values = finite(row)
    return [values.get(name) for name in columns]


def _text(finding: Mapping[str, Any]) -> str:
    """A finding with its numbers, as one text."""
    return "\n".join([str(finding.get("text", "")), *map(str, finding.get("points") or ())])
