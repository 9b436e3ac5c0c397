"""Edge: a saved view in Weights & Biases over the runs of a study, with the panels that one would otherwise click together.

In: nothing but names; the panels read the runs' own `axes/*`, `score/*` and `train/*`. Out: the view, saved by the package
wandb-workspaces (the extra `dashboard`). Made again, the same view is replaced.
"""

import importlib.util
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pinch.config import TrackingConfig
from pinch.errors import UserError
from pinch.records import read_json, write_json
from pinch.tracking.bounded import within
from pinch.tracking.said import say
from pinch.tracking.server import online_now

AXES = {"n_languages": "number of tuning languages", "fraction": "multilingual share of the budget"}
"""Axes that scores are drawn over."""

SCORES = {"score/seen": "seen languages", "score/unseen": "unseen languages"}

SETTING = ("axes.languages.value", "axes.fraction.value")
"""Config keys that runs are grouped by: what is left are seeds. Written out to the end, since our keys hold dots."""

COLUMNS = ("summary:score/seen", "summary:score/unseen", "summary:tune/final_loss", "config:axes.n_languages.value")


def check_dashboard(workspace: Path) -> None:
    """Raises UserError when no dashboard could be saved: the extra is not installed, or there is no key."""
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise UserError(
            "dashboard=true needs the package wandb-workspaces; pip install 'pinch-multilingual[dashboard]'"
        )
    if not online_now(workspace / "wandb"):
        raise UserError("dashboard=true needs a W&B server and a key; run wandb login, or set WANDB_API_KEY")


def publish_dashboard(workspace: Path, settings: TrackingConfig, languages: Sequence[str]) -> str | None:
    """Save the dashboard of a workspace's runs; gives its address, None where W&B failed, which is said.

    `languages` are those that get a panel of their own. Raises UserError as `check_dashboard`."""
    check_dashboard(workspace)
    known = workspace / "wandb" / "dashboard.json"
    saved: list[str] = []

    def save() -> None:
        entity = settings.entity or _own_entity()
        view = build(entity, settings.project, workspace.name, settings.group, languages)
        before = _existing(read_json(known).get("url"), entity, settings.project)
        if before is not None:
            before.name, before.sections = view.name, view.sections
            before.settings, before.runset_settings = view.settings, view.runset_settings
            view = before
        saved.append(view.save().url)

    try:
        within(settings.timeout, save)
    except Exception as error:  # a tracker must never stop an analysis
        say(f"the dashboard could not be saved ({str(error).strip() or type(error).__name__}); try again later")
        return None
    write_json(known, {"url": saved[0]})
    return saved[0]


def build(entity: str, project: str, workspace: str, group: str | None, languages: Sequence[str]) -> Any:
    """The view as wandb-workspaces describes it: only cells, of the group if there is one, else of the workspace; seeds of
    one setting are averaged."""
    from wandb_workspaces import workspaces as ws

    own = ws.Metric("Group") == group if group else ws.Config("workspace") == workspace
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"Pinch: {group or workspace}",
        sections=[*_over_axes(), _seen_and_unseen(languages), _losses(), _tables()],
        settings=ws.WorkspaceSettings(x_axis="train/step", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("JobType") == "train", own],
            groupby=[ws.Config(key) for key in SETTING],
            order=[ws.Ordering(ws.Summary("score/unseen"), ascending=False)],
            pinned_columns=list(COLUMNS),
        ),
    )


def _over_axes() -> list[Any]:
    """A section per axis: every model as a point, and the mean per value of the axis with its standard error."""
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports import v2 as wr

    sections = []
    for axis, name in AXES.items():
        panels: list[Any] = []
        for score, what in SCORES.items():
            x, y = wr.SummaryMetric(f"axes/{axis}"), wr.SummaryMetric(score)
            panels.append(wr.ScatterPlot(title=f"Score in {what} over the {name}", x=x, y=y))
            panels.append(
                wr.BarPlot(
                    title=f"Mean score in {what} over the {name}",
                    metrics=[score],
                    orientation="v",
                    groupby=f"config.axes.{axis}.value",
                    groupby_aggfunc="mean",
                    groupby_rangefunc="stderr",
                )
            )
        sections.append(ws.Section(name=f"Score over the {name}", panels=panels, is_open=True))
    return sections


def _seen_and_unseen(languages: Sequence[str]) -> Any:
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports import v2 as wr

    seen, unseen = (wr.SummaryMetric(score) for score in SCORES)
    panels: list[Any] = [
        wr.ScatterPlot(title="Unseen over seen languages", x=seen, y=unseen),
        wr.BarPlot(title="Seen and unseen languages", metrics=list(SCORES), orientation="h"),
    ]
    if languages:
        each = [f"score/{code}" for code in languages]
        panels.append(wr.BarPlot(title="Score per evaluation language", metrics=each, orientation="h"))
    return ws.Section(name="Seen and unseen languages", panels=panels, is_open=True)


def _losses() -> Any:
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports import v2 as wr

    kinds = {"train/loss": "Loss", "train/lr": "Learning rate", "train/tokens_per_second": "Tokens per second"}
    panels = [wr.LinePlot(title=title, x="train/step", y=[name], title_x="step") for name, title in kinds.items()]
    final = wr.ScatterPlot(
        title="Final loss over the number of tuning languages",
        x=wr.SummaryMetric("axes/n_languages"),
        y=wr.SummaryMetric("tune/final_loss"),
    )
    return ws.Section(name="Losses", panels=[*panels, final], is_open=True)


def _tables() -> Any:
    from wandb_workspaces import workspaces as ws
    from wandb_workspaces.reports import v2 as wr

    names = ("answers", "verdicts")
    return ws.Section(name="Answers", panels=[wr.WeavePanelSummaryTable(table_name=name) for name in names])


def _own_entity() -> str:
    """Who the key belongs to."""
    import wandb

    entity = wandb.Api().default_entity
    if not entity:
        raise UserError("the key has no team of its own; set tracking.entity")
    return str(entity)


def _existing(url: str | None, entity: str, project: str) -> Any:
    """The view saved before, if it is there still and of the same project; else None."""
    from wandb_workspaces import workspaces as ws

    if url:
        with suppress(Exception):  # removed, or saved by a newer version: then a new one
            view = ws.Workspace.from_url(url)
            if (view.entity, view.project) == (entity, project):
                return view
    return None
