"""Edge: what happened while cells were tuned, from their train_log.csv.

In: a cell's folder. Out: a `Log`. Files of cells that were killed, or edited by hand, may end anywhere: a line that cannot
be read is counted and left out, never guessed.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pinch.analysis.study import Array

PREFIX = "supervised_"
TOKENS = "supervised_tokens"


@dataclass(frozen=True)
class Log:
    """The loss of every optimizer step, the supervised tokens of all steps by language (an example counts once an epoch),
    and how many lines could not be read."""

    steps: Array
    loss: Array
    tokens: Mapping[str, int]
    broken: int


def read_log(folder: Path) -> Log | None:
    """The log of a cell; None when there is none, or nothing in it can be read."""
    try:
        text = (folder / "train_log.csv").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    first, *lines = text.split("\n")
    header = first.strip().split(",")
    codes = {name: name.removeprefix(PREFIX) for name in header if name.startswith(PREFIX) and name != TOKENS}
    read: dict[float, float] = {}
    tokens, broken = Counter[str](), 0
    for line in filter(str.strip, lines):
        try:
            row = dict(zip(header, line.strip().split(","), strict=True))
            step, loss = float(row["step"]), float(row["loss"])
            counts = {code: int(row[name]) for name, code in codes.items()}
        except (ValueError, KeyError):
            broken += 1
            continue
        if not (math.isfinite(step) and math.isfinite(loss)):
            broken += 1
            continue
        read[step] = loss
        tokens.update(counts)
    if not read:
        return None
    steps = np.array(sorted(read))
    return Log(steps, np.array([read[step] for step in steps]), dict(tokens), broken)


def smoothed(loss: Array, window: int) -> Array:
    """The mean over a window of steps around each step, narrower at both ends; a window of 1 changes nothing."""
    before = window // 2
    sums = np.concatenate([[0.0], np.cumsum(loss)])
    at = np.arange(len(loss))
    low, high = np.maximum(at - before, 0), np.minimum(at - before + window, len(loss))
    means: Array = (sums[high] - sums[low]) / (high - low)
    return means
