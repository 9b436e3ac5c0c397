"""A witness inside workers and evaluate.py, for test_kills: writes every stage that the process enters to $PINCH_WITNESS.

Python imports a module of this name at its start from whatever folder is on PYTHONPATH.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

POINTS = {
    "pinch.train": {"run": "open", "load": "load", "tune": "tune", "answer": "generate"},
    "pinch.adapters": {"save": "save"},
    "pinch.evaluate": {"evaluate": "read", "write_jsonl": "write", "write_json": "write"},
    "pinch.judging": {"_ask": "judge"},
    "pinch.judges.store": {"VerdictStore.keep": "append"},
}
"""Functions by module, and the stage that begins with them."""


class Witness(importlib.abc.MetaPathFinder):
    """Puts itself around those functions as their modules are imported."""

    def __init__(self, trace: Path) -> None:
        self._trace = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._stages = ["import"]
        self._tell()

    def _tell(self) -> None:
        os.write(self._trace, f"{os.getpid()} {self._stages[-1]}\n".encode())

    def _around(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._stages.append(stage)
            self._tell()
            try:
                return function(*args, **kwargs)
            finally:
                self._stages.pop()
                self._tell()

        return watched

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path) if name in POINTS else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_watch(module: Any) -> None:
                execute(module)
                for point, stage in POINTS[name].items():
                    *rooms, last = point.split(".")
                    room = module
                    for step in rooms:
                        room = getattr(room, step)
                    setattr(room, last, self._around(getattr(room, last), stage))

            spec.loader.exec_module = execute_and_watch  # type: ignore[method-assign]
        return spec


if {"pinch.worker", "evaluate.py"} & {os.path.basename(word) for word in sys.orig_argv}:
    sys.meta_path.insert(0, Witness(Path(os.environ["PINCH_WITNESS"])))
