"""Edge: mirrors of the files under multirun/ for people who watch: Weights & Biases, TensorBoard or CSV.

The files are the truth. Nothing here may stop a cell: the first failure of a tracker is said once and the run goes on
without it. One W&B run per cell, its id derived from the cell's, opened and finished by the process that runs the cell;
`evaluate` opens the same run again and adds the scores to its summary.
"""

import dataclasses
import math
import netrc
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pinch.cells import Cell, plain
from pinch.config import TrackingConfig, TrackingMode

Result = TypeVar("Result")

_said: set[str] = set()  # sentences this process has said already, so that a sweep of 50 cells says them once


@dataclass
class Run:
    """What a stage may tell the tracker of one cell. `logger` is for the trainer, None when tracking is off."""

    logger: Any = None
    wandb_run: Any = None

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Log one immutable table at the end of a stage; rows are capped by the caller."""
        if self.wandb_run is not None and rows:
            import wandb

            table = wandb.Table(columns=list(columns), data=[list(row) for row in rows])
            self._do(lambda: self.wandb_run.log({name: table}))

    def summarise(self, values: Mapping[str, Any]) -> None:
        """Set summary values of the run."""
        if self.wandb_run is not None:
            self._do(lambda: self.wandb_run.summary.update(finite(values)))

    def _do(self, action: Callable[[], Result]) -> Result | None:
        try:
            return action()
        except Exception as error:  # a tracker must never stop a cell
            _say(f"tracking: W&B failed ({error}); going on without it, the files under multirun/ are complete")
            self.wandb_run = None
            return None


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values without None and without numbers that are not finite."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


@contextmanager
def track(cell: Cell, settings: Any, tracking: TrackingConfig, job: str = "train") -> Iterator[Run]:
    """Open the tracker for a cell and finish it: as failed when the block raises. `settings` is logged as the config."""
    run = _open(cell, settings, tracking, job)
    try:
        yield run
    except BaseException:
        _finish(run, "failed")
        raise
    _finish(run, "done")


def add_scores(cell: Cell, scores: Mapping[str, float | str], tracking: TrackingConfig) -> None:
    """Add scores to the summary of the cell's W&B run; does nothing in the modes that have none."""
    if tracking.mode in (TrackingMode.auto, TrackingMode.wandb):
        with track(cell, None, tracking, job="evaluate") as run:
            run.summarise(scores)


def axes(cell: Cell) -> dict[str, Any]:
    """The cell's axes as flat scalars, `axes.n_languages` and so on, so that tables of runs sort by them."""
    values = plain(dataclasses.asdict(cell.axes))
    values["languages"] = "+".join(cell.axes.languages)
    del values["counts"]
    return {f"axes.{key}": value for key, value in values.items()}


def _open(cell: Cell, settings: Any, tracking: TrackingConfig, job: str) -> Run:
    mode = tracking.mode
    if mode is TrackingMode.off:
        return Run()
    if mode is TrackingMode.csv:
        from pytorch_lightning.loggers import CSVLogger

        return Run(CSVLogger(cell.folder, name="csv", version=""))
    if mode is TrackingMode.tensorboard:
        from pytorch_lightning.loggers import TensorBoardLogger

        return Run(TensorBoardLogger(cell.folder, name="tensorboard", version=""))
    try:
        return _open_wandb(cell, settings, tracking, job)
    except Exception as error:  # a tracker must never stop a cell
        _say(f"tracking: W&B could not be started ({error}); going on without it")
        return Run()


def _open_wandb(cell: Cell, settings: Any, tracking: TrackingConfig, job: str) -> Run:
    folder = cell.folder.parent / "wandb"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR", "WANDB_CONFIG_DIR"):
        os.environ[name] = str(folder.absolute())
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    from pinch.wandb_logger import WandbRunLogger

    online = _has_key(wandb.Settings().base_url)
    if not online:
        _say(f"tracking: no W&B key is configured, runs are kept in {folder}; send them later with wandb sync")
    arguments: dict[str, Any] = {
        "project": tracking.project,
        "entity": tracking.entity,
        "group": tracking.group or cell.folder.parent.name,
        "tags": [*tracking.tags, cell.axes.model, cell.axes.method],
        "id": cell.id.rsplit("-", 1)[-1],
        "name": cell.id,
        "job_type": job,
        "resume": "allow",
        "dir": str(folder.parent.absolute()),  # W&B adds the folder name wandb itself
        "config": None if settings is None else {**axes(cell), **plain(settings)},
    }
    if job != "train":  # the run is the train stage's: evaluate adds to its summary and changes nothing else
        arguments = {key: arguments[key] for key in ("project", "entity", "id", "resume", "dir")}
    run = None
    if online:
        with suppress(Exception):
            run = wandb.init(mode="online", settings=_settings(wandb, tracking), **arguments)
        if run is None:
            _say(f"tracking: the W&B server did not answer within {tracking.timeout} s; going on offline in {folder}")
    if run is None:
        run = wandb.init(mode="offline", settings=_settings(wandb, tracking), **arguments)
    return Run(WandbRunLogger(run, _say), run)


def _settings(wandb: Any, tracking: TrackingConfig) -> Any:
    return wandb.Settings(
        silent=True,
        console="off",
        init_timeout=tracking.timeout,
        finish_timeout=4 * tracking.timeout,
        x_disable_stats=True,
        disable_git=True,
        disable_code=True,
    )


def _has_key(base_url: str) -> bool:
    """Whether a key for the server is in the environment or in ~/.netrc, where `wandb login` puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    path = Path(os.environ.get("NETRC", Path.home() / ".netrc"))
    try:
        return netrc.netrc(path).authenticators(urlsplit(base_url).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _finish(run: Run, status: str) -> None:
    if run.logger is not None and run.wandb_run is None:
        with suppress(Exception):
            run.logger.finalize("success" if status == "done" else "failed")
    if run.wandb_run is not None:
        run.summarise({"pinch/status": status})
    if run.wandb_run is not None:
        run._do(lambda: run.wandb_run.finish(exit_code=0 if status == "done" else 1))


def _say(sentence: str) -> None:
    if sentence not in _said:
        _said.add(sentence)
        warnings.warn(sentence, TrackingWarning, stacklevel=3)


class TrackingWarning(UserWarning):
    """Said once per process when a tracker is offline or broken; the doors print it as one line."""
