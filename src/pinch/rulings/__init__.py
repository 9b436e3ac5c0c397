"""Stage: where the outcome of every prompt of a contest comes from: a judge that is asked pair by pair, people, a panel of
judges, or a file of annotations. `make` chooses; the flow asks for rulings and does not know whose they are.
"""

from pathlib import Path

from pinch.bench import Bench
from pinch.config import EvaluateConfig, JudgeKind, Stop
from pinch.rulings.annotations import Annotations
from pinch.rulings.judged import Judged
from pinch.rulings.panel import Panel
from pinch.rulings.people import People
from pinch.rulings.sequential import Course, Sequential
from pinch.rulings.source import SKIPPED, Ruling, Rulings, Source

__all__ = [
    "SKIPPED",
    "Annotations",
    "Course",
    "Judged",
    "Panel",
    "People",
    "Ruling",
    "Rulings",
    "Sequential",
    "Source",
    "make",
]


def make(settings: EvaluateConfig, bench: Bench) -> Source:
    """The source that the settings name."""
    if settings.annotations is not None:
        return Annotations(settings.judge.label(), Path(settings.annotations), bench)
    if settings.judge.kind is JudgeKind.human:
        return People(settings.judge, bench)
    if settings.judge.kind is JudgeKind.panel:
        return Panel(settings, bench)
    return Sequential(settings, bench) if settings.judge.stop is Stop.sequential else Judged(settings, bench)
