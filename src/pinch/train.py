"""Flow: one cell, from its settings to its answers.

corpus -> mixture -> tune -> generate, each stage skipped when its files are there already. What the settings mean is found
out before, by `jobs.prepare`. A cell of several devices runs here once per rank: the first rank decides what is to do, and
it alone writes and tells.
"""

import gc
import importlib.metadata
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pinch import __version__, cells, models, tracking
from pinch.config import Strategy
from pinch.errors import CellError
from pinch.jobs import Job
from pinch.models import Loaded
from pinch.ranks import ALONE, Ranks
from pinch.records import Answer, write_jsonl

Report = Callable[[str, float], None]
"""Told what is being done and how much of it is (0..1)."""


@dataclass
class Shelf:
    """The base model that was used last, for the next stage or cell that wants the same one on the same device."""

    key: tuple[Any, ...] = ()
    loaded: Loaded | None = None


def run(job: Job, report: Report, ranks: Ranks = ALONE, shelf: Shelf | None = None) -> bool:
    """Tune the cell and let it answer, as far as that is missing. False when another process holds the cell.

    Every rank of the cell calls this with the same job. A `shelf` keeps the base model from one call to the next."""
    _refuse(job, ranks)
    shelf = shelf or Shelf()
    report = report if ranks.first else lambda what, share: None
    with ExitStack() as stack:
        if not ranks.agree(lambda: stack.enter_context(cells.locked(job.cell))):
            return False
        if ranks.agree(lambda: _open(job)):
            tracker = tracking.Run()
            if ranks.first:
                tracker = stack.enter_context(tracking.track(job.cell, job.settings, job.settings.tracking))
            if not ranks.agree(job.tuned):
                tune(job, tracker, report, ranks, shelf)
            codes = ranks.agree(lambda: list(job.unanswered()))
            if codes:
                answer(job, codes, report, ranks, shelf)
    return True


def _refuse(job: Job, ranks: Ranks) -> None:
    devices = job.settings.trainer.devices
    if devices != ranks.world:
        raise CellError(
            f"trainer.devices={devices}, but the cell was started as {ranks.world} process(es); start it with train.py"
        )
    if len(set(ranks.gather(job.cell.id))) > 1:
        raise CellError("the processes of the cell read different settings, models or data; run it again")


def _open(job: Job) -> bool:
    """Make the cell's folder ready for work, if there is any."""
    if job.done():
        return False
    cells.tidy(job.cell)
    cells.write_cell(job.cell, job.settings, versions())
    return True


def tune(job: Job, tracker: tracking.Run, report: Report, ranks: Ranks, shelf: Shelf) -> None:
    """Write the mixture, fine-tune on it, write the weights."""
    from pinch import tuning

    settings, folder, plan = job.settings, job.cell.folder, job.plan.languages
    if settings.trainer.strategy is Strategy.fsdp and ranks.world > 1:
        ranks = replace(ranks, spread_on=models.device(settings.trainer))
    with _stage(ranks, folder, "tune", outdates="generate") as facts:
        if ranks.first:
            write_jsonl(folder / "mixture.jsonl", ({"id": name, "language": code} for name, code in plan.items()))
        loaded = load(job, report, ranks, shelf)
        result = tuning.tune(
            loaded,
            job.corpus.chosen(plan),
            settings.tuning,
            lr=settings.tuning.learning_rate(settings.model),
            seed=settings.seed,
            folder=folder,
            logger=tracker.logger,
            progress=lambda step, steps: report("tuning", step / steps),
            ranks=ranks,
        )
        facts.update(cells.plain(result), template=loaded.frame.digest)
    tracker.summarise({f"tune/{key}": value for key, value in facts.items() if isinstance(value, int | float)})


def answer(job: Job, codes: Sequence[str], report: Report, ranks: Ranks, shelf: Shelf) -> None:
    """Let the tuned (or the untuned) model answer the prompts in the languages `codes`, every rank one language at a time.
    What is answered stays answered, language by language."""
    from pinch import generation

    cell, workspace = job.cell, job.cell.folder.parent
    known: dict[str, Any] = {}
    if ranks.first:
        answered = {code: name for code, name in cells.answered(cell).items() if code not in codes}
        known = {"prompts": answered, "lexicon": cells.store_lexicon(workspace, job.corpus.lexicon)}
    with _stage(ranks, cell.folder, "generate", **known) as facts:
        loaded = load(job, report, ranks, shelf)
        if not cell.untuned:
            loaded = generation.attach(loaded, cell.folder)
            facts["adapter"] = generation.assert_adapter_active(loaded)
        for code, answers in _answers(job, codes, loaded, report, ranks):
            write_jsonl(cell.answers_path(code), answers)
            facts["prompts"] = {**facts["prompts"], code: cells.store_prompts(workspace, code, job.prompts[code])}
            facts.save()


def _answers(
    job: Job, codes: Sequence[str], loaded: Loaded, report: Report, ranks: Ranks
) -> Iterator[tuple[str, list[Answer]]]:
    """Language by language, on the first rank: that of every rank, then the next."""
    from pinch import generation

    total, finished = sum(len(job.prompts[code]) for code in codes), 0
    for start in range(0, len(codes), ranks.world):
        together = codes[start : start + ranks.world]
        prompts = job.prompts[together[ranks.rank]] if ranks.rank < len(together) else []
        size = sum(len(job.prompts[code]) for code in together)

        def progress(number: int, before: int = finished, scale: float = size / max(1, len(prompts))) -> None:
            report("answering", (before + number * scale) / total)

        made = ranks.gather(generation.generate(loaded, prompts, job.settings.generation, progress))
        if ranks.first:
            yield from zip(together, made, strict=False)
        finished += size


@contextmanager
def _stage(ranks: Ranks, folder: Path, name: str, outdates: str | None = None, **facts: Any) -> Iterator[cells.Stage]:
    """A stage, which is the first rank's to record; the facts of the others are forgotten."""
    if not ranks.first:
        yield cells.Stage(folder, name, {}, facts)
        return
    with cells.stage(folder, name, outdates, **facts) as stage:
        yield stage


def load(job: Job, report: Report, ranks: Ranks, shelf: Shelf) -> Loaded:
    """The base model on its device, from the shelf if it is there; made first where it is the embedded one and this machine
    has none yet. Weights that are to be spread over ranks wait in the memory of the machine."""
    import torch

    settings = job.settings
    location = ranks.agree(
        lambda: models.locate(settings.model, settings.cache_folder(), lambda share, what: report(what, share))
    )
    device = models.device(settings.trainer)
    place = torch.device("cpu") if ranks.spread_on else device
    key = (cells.digest(job.cell.identity["model"]), location, str(device), str(place))
    if shelf.loaded is None or shelf.key != key:
        shelf.loaded = None
        gc.collect()  # never two models at once
        shelf.loaded, shelf.key = models.load(settings.model, location, device, place), key
    return shelf.loaded


def versions() -> dict[str, str]:
    """Versions that results may depend on, for cell.yaml."""
    names = ("torch", "transformers", "peft", "pytorch-lightning", "tokenizers")
    return {
        "pinch": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }
