"""Edge: Lightning's view of an open W&B run; a failing run is reported once and never stops the trainer."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger

from pinch.tracking.said import say
from pinch.tracking.server import Session


class WandbRunLogger(Logger):
    """Logs a trainer's metrics (`train/loss` and so on), with the optimizer step as the step metric. Steps that the run
    knows already, from an attempt before, are not logged again: a cell's losses are the same every time."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session: Session | None = session

    @property
    def name(self) -> str:
        return "wandb"

    @property
    def version(self) -> str:
        return "" if self._session is None else str(self._session.run.id)

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: the run's config was given when it was opened."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        session = self._session
        if session is None or (step is not None and step <= session.after):
            return
        try:
            session.log({**metrics, "train/step": step})
            session.after = session.after if step is None else step
        except Exception as error:  # a tracker must never stop a cell
            say(f"W&B failed ({error}); going on without it, the files of the cells are complete")
            self._session = None
