"""Edge: the tracker of one cell: its W&B run, or a TensorBoard or CSV folder in the cell's own.

One W&B run per cell, its id derived from the cell's, opened and finished by the process that trains the cell; `add_scores`
opens the same run again, and sends whatever of the cell it lacks.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pinch import cells
from pinch.cells import Cell, plain
from pinch.config import TrackingConfig, TrackingMode
from pinch.tracking import told
from pinch.tracking.said import say
from pinch.tracking.server import Session, online_now, open_session

ONLINE, OFFLINE = "online", "offline"
"""Where scores went: to the server, or into files to be sent later."""

LONGEST_TAG = 64
"""Characters; the server refuses more."""


@dataclass
class Run:
    """What a stage may tell the tracker of one cell. `logger` is for the trainer, None when tracking is off; `answers` are
    the rows per language of the table of answers."""

    logger: Any = None
    session: Session | None = None
    answers: int = 0

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log one immutable table when the run ends; rows are capped by the caller."""
        if self.session is not None:
            with self._guarded():
                self.session.table(name, columns, rows)

    def summarise(self, values: Mapping[str, Any]) -> None:
        """Set summary values of the run."""
        if self.session is not None:
            with self._guarded():
                self.session.summarise(finite(values))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a tracker must never stop a cell
            say(f"W&B failed ({error}); going on without it, the files of the cells are complete")
            self.session = None


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without None and without numbers that are not finite."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


@contextmanager
def track(cell: Cell, settings: Any, tracking: TrackingConfig) -> Iterator[Run]:
    """Open the tracker of a cell that is trained and finish it: as failed when the block raises. `settings` is logged as the
    config."""
    run = _open(cell, settings, tracking)
    try:
        yield run
    except BaseException:
        _finish(cell, run, "failed")
        raise
    _finish(cell, run, "done")


def _open(cell: Cell, settings: Any, tracking: TrackingConfig) -> Run:
    mode = tracking.mode
    if mode is TrackingMode.off:
        return Run()
    if mode is TrackingMode.csv:
        from pytorch_lightning.loggers import CSVLogger

        return Run(CSVLogger(cell.folder, name="csv", version=""))
    if mode is TrackingMode.tensorboard:
        from pytorch_lightning.loggers import TensorBoardLogger

        return Run(TensorBoardLogger(cell.folder, name="tensorboard", version=""))
    run = Run(answers=tracking.answers)
    with run._guarded():
        session = _open_session(cell, plain(settings) or {}, tracking)
        if session is not None:
            from pinch.tracking.logger import WandbRunLogger

            run.logger, run.session = WandbRunLogger(session), session
    return run


def _open_session(cell: Cell, settings: Mapping[str, Any], tracking: TrackingConfig) -> Session | None:
    """The cell's run, with the metrics by which its curves are drawn."""
    tags = dict.fromkeys([*tracking.tags, cell.axes.model, cell.axes.method])
    session = open_session(
        cell.folder.parent / "wandb",
        tracking,
        id=run_id(cell),
        name=cell.id,
        group=tracking.group or cell.folder.parent.name,
        job_type="train",
        tags=[tag[:LONGEST_TAG] for tag in tags],
        config={**axes(cell), **settings},
    )
    if session is not None:
        session.run.define_metric("train/step")
        session.run.define_metric("train/*", step_metric="train/step")
    return session


def _finish(cell: Cell, run: Run, status: str) -> None:
    if run.logger is not None and run.session is None:
        with suppress(Exception):
            run.logger.finalize("success" if status == "done" else "failed")
    session = run.session
    if session is not None:
        with run._guarded():
            session.summarise({"pinch/status": status})
            _complete(cell, session)
            session.table("answers", told.COLUMNS["answers"], told.answers(cell, run.answers))
        session.close(0 if status == "done" else 1)


def _complete(cell: Cell, session: Session) -> None:
    """Send the curves and facts that the run lacks: those of an attempt before, or of one that was not tracked. The axes
    that are numbers are summary values as well, axes/n_languages and so on: panels find no config key with a dot in it."""
    for row in told.curves(cell, session.after):
        session.log(row)
    numbers = {key.replace(".", "/"): value for key, value in axes(cell).items() if isinstance(value, int | float)}
    session.summarise(finite(numbers | told.facts(cell)))


def wanted(cell: Cell, tracking: TrackingConfig, sent: object) -> bool:
    """Whether to send a cell's scores to W&B, when `sent` says where they went last (ONLINE, OFFLINE; True: somewhere):
    those that lie in files go to the server as soon as there is a key."""
    if tracking.mode not in (TrackingMode.auto, TrackingMode.wandb):
        return False
    return not sent or (sent == OFFLINE and online_now(cell.folder.parent / "wandb"))


def add_scores(cell: Cell, scores: Mapping[str, float | str], tracking: TrackingConfig) -> str | None:
    """Add scores to the cell's W&B run, with everything else of the cell that the run lacks. Gives where they went: ONLINE,
    OFFLINE, or None in the modes that have no runs, and where W&B failed."""
    if tracking.mode not in (TrackingMode.auto, TrackingMode.wandb):
        return None
    settings = told.settings(cell)
    run = Run()
    with run._guarded():
        run.session = _open_session(cell, settings, _where(settings, tracking))
    session = run.session
    if session is None:
        return None
    with run._guarded():
        _complete(cell, session)
        done = {"pinch/status": "done"} if cells.is_done(cell.folder, "generate") else {}
        session.summarise(finite(done | dict(scores)))
        tables = {"verdicts": told.verdicts(cell, str(scores.get("score/judge")), tracking.answers)}
        if not session.has("answers"):
            tables["answers"] = told.answers(cell, tracking.answers)
        for name, rows in tables.items():
            session.table(name, told.COLUMNS[name], rows)
    return ONLINE if session.close(0) else OFFLINE


def _where(settings: Mapping[str, Any], tracking: TrackingConfig) -> TrackingConfig:
    """Project, entity, group and tags of the run as the cell was trained with, except what is set otherwise now."""
    before, usual = settings.get("tracking", {}), TrackingConfig()
    names = ("project", "entity", "group", "tags")
    kept = {name: before[name] for name in names if name in before and getattr(tracking, name) == getattr(usual, name)}
    return dataclasses.replace(tracking, **kept)


def run_id(cell: Cell) -> str:
    """The id of the cell's run: the digest at the end of its own."""
    return cell.id.rsplit("-", 1)[-1]


def axes(cell: Cell) -> dict[str, Any]:
    """The cell's axes as flat scalars, `axes.n_languages` and so on, so that tables of runs sort by them."""
    values = plain(dataclasses.asdict(cell.axes))
    values["languages"] = "+".join(cell.axes.languages)
    del values["counts"]
    return {f"axes.{key}": value for key, value in values.items()}
