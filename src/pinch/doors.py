"""The way in: what train.py, evaluate.py, analyze.py and pinch.translate share. Compose the settings, hand over, exit.

Hydra composes conf/<door>.yaml and the command line against the schema in pinch.config; the config crosses the border
here, once. A user's mistake ends in one line and exit code 2; PINCH_DEBUG=1 shows the traceback instead.
"""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pinch import usage
from pinch.composition import job_settings
from pinch.config import SCHEMAS
from pinch.errors import PinchError
from pinch.explain import explain

CONF = Path(__file__).resolve().parents[2] / "conf"

SHORTHANDS = {"plan=true": "plan=table", "plan=false": "plan=off"}
"""Hydra takes no truth values for options of a group."""

FLAGS_OF_A_PLACE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn")
FLAGS = ("-m", "--multirun", *FLAGS_OF_A_PLACE)
"""Flags of Hydra that may stand anywhere; the first are followed by a word of their own."""

AN_EXPERIMENT = ("experiment=", "+experiment=")
"""Words that choose an experiment, a sweep without -m."""


def main(door: str) -> int:
    """Run a door with the command line's arguments; gives the exit code."""
    task = Task(door)
    return enter(door, task, lambda: 0 if task.composed is None else hand_over(door, task.composed, task.words))


def enter(
    door: str, task: Callable[[DictConfig], None], work: Callable[[], int], said: Callable[[str], str] = str
) -> int:
    """Let Hydra compose conf/<door>.yaml and the command line for `task`, then do the work, outside of Hydra, which words
    failures in its own way; gives the exit code. `said` rewords the line that a mistake ends in."""
    for name, schema in SCHEMAS.items():
        ConfigStore.instance().store(name=f"{name}_schema", node=schema)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and `explain` says it in one line
    signal.signal(signal.SIGTERM, _terminate)  # what a cluster sends before it kills
    warnings.showwarning = _one_line_warning
    notes = logging.StreamHandler()
    notes.setFormatter(logging.Formatter("note: %(message)s"))
    logging.getLogger("pinch").addHandler(notes)
    sys.argv[1:] = arguments(sys.argv[1:])
    try:
        if usage.asked(sys.argv[1:]):
            print(usage.usage(door, sys.argv[1:], CONF))
            return 0
        hydra.main(config_path=str(CONF), config_name=door, version_base="1.3")(task)()
        return work()
    except KeyboardInterrupt:
        return fail("stopped; what is finished is kept, the same command goes on from there", 130)
    except (PinchError, HydraException, OmegaConfBaseException, OSError) as error:
        if os.environ.get("PINCH_DEBUG"):
            raise
        return fail(said(explain(error, sys.argv[1:])), 2)


class Task:
    """What Hydra runs. On its own it only keeps the composed config. As a job of another engine's launcher, which sends a
    copy of it to wherever the job runs, it does the work there."""

    def __init__(self, door: str) -> None:
        self.door = door
        self.composed: DictConfig | None = None
        self.words: list[str] = []

    def __call__(self, composed: DictConfig) -> None:
        words = list(HydraConfig.get().overrides.task)
        if HydraConfig.get().mode is RunMode.RUN:
            self.composed, self.words = composed, words
        else:
            hand_over(self.door, composed, words)  # how it went is in the cell's files, where pinch.engines reads it


def arguments(words: list[str]) -> list[str]:
    """The command line in Hydra's words: shorthands written out, flags before settings, between which its parser does not
    look for them; an experiment with or without a + is a multirun; and what only shows something is shown here, not on the
    engine that a launcher would send it to."""
    words = [SHORTHANDS.get(word, word).removeprefix("+" if word.startswith(AN_EXPERIMENT) else "") for word in words]
    if any(word.startswith(AN_EXPERIMENT) for word in words) and not any("hydra.mode=" in word for word in words):
        words.append("hydra.mode=MULTIRUN")
    flags = [
        n for n, word in enumerate(words) if word.split("=")[0] in FLAGS or (n and words[n - 1] in FLAGS_OF_A_PLACE)
    ]
    words = [words[n] for n in flags] + [word for n, word in enumerate(words) if n not in flags]
    shows = any(
        word.startswith(("plan=", "plan.show=", "show=")) and not word.endswith(("=off", "=none")) for word in words
    )
    return [word for word in words if not (shows and word.startswith(("hydra/launcher=", "hydra.launcher.")))]


def hand_over(door: str, composed: DictConfig, words: list[str]) -> int:
    """Settings, and the words of the command line that made them, in; exit code out. Raises UserError for settings that
    cannot be."""
    settings: Any = job_settings(composed)
    if door == "train":
        from pinch.config import Wish
        from pinch.sweep import sweep

        return sweep([Wish(words, settings)])
    if door == "evaluate":
        from pinch.evaluate import evaluate

        return evaluate(settings)
    from pinch.analyze import analyze

    return analyze(settings)


def _terminate(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def fail(line: str, code: int) -> int:
    """Print a line that ends it; gives the exit code back."""
    print(f"error: {line}", file=sys.stderr)
    return code


def _one_line_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"note: {message}", file=sys.stderr)
