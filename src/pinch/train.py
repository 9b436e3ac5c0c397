"""Flow: one cell, from its settings to its answers.

corpus -> mixture -> tune -> generate, each stage skipped when its files are there already. What the settings mean is found
out before, by `jobs.prepare`.
"""

import importlib.metadata
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinch import __version__, cells, models, tracking
from pinch.config import TrainConfig
from pinch.jobs import Job
from pinch.records import write_jsonl

Report = Callable[[str, float], None]
"""Told what is being done and how much of it is (0..1)."""


def run(job: Job, report: Report) -> bool:
    """Tune the cell and let it answer, as far as that is missing. False when another process holds the cell."""
    with cells.locked(job.cell) as mine:
        if not mine:
            return False
        if not job.done():
            cells.write_cell(job.cell, job.settings, versions())
            with tracking.track(job.cell, job.settings, job.settings.tracking) as tracker:
                if not job.tuned():
                    tune(job, tracker, report)
                if job.unanswered():
                    answer(job, tracker, report)
    return True


def tune(job: Job, tracker: tracking.Run, report: Report) -> None:
    """Write the mixture, fine-tune on it, write the weights."""
    from pinch import tuning

    settings, folder = job.settings, job.cell.folder
    with cells.stage(folder, "tune", outdates="generate") as facts:
        plan = job.plan.languages
        write_jsonl(folder / "mixture.jsonl", ({"id": name, "language": code} for name, code in plan.items()))
        loaded = load(settings, report)
        result = tuning.tune(
            loaded,
            job.corpus.chosen(plan),
            settings.tuning,
            lr=settings.tuning.learning_rate(settings.model),
            seed=settings.seed,
            folder=folder,
            logger=tracker.logger,
            progress=lambda step, steps: report("tuning", step / steps),
        )
        facts.update(cells.plain(result), template=loaded.frame.digest)
    tracker.summarise({f"tune/{key}": value for key, value in facts.items() if isinstance(value, int | float)})


def answer(job: Job, tracker: tracking.Run, report: Report) -> None:
    """Let the tuned (or the untuned) model answer the prompts that it has not answered yet."""
    from pinch import generation

    settings, cell, workspace = job.settings, job.cell, job.cell.folder.parent
    wanted = job.unanswered()
    known = cells.answered(cell)
    with cells.stage(cell.folder, "generate") as facts:
        facts["prompts"] = known
        facts["lexicon"] = cells.store_lexicon(workspace, job.corpus.lexicon)
        loaded = load(settings, report)
        if not cell.untuned:
            loaded = generation.attach(loaded, cell.folder)
            facts["adapter"] = generation.assert_adapter_active(loaded)
        total = sum(len(prompts) for prompts in wanted.values())
        finished = 0
        shown: list[tuple[str, str, str]] = []
        for code, prompts in wanted.items():

            def progress(number: int, before: int = finished) -> None:
                report("answering", (before + number) / total)

            answers = generation.generate(loaded, prompts, settings.generation, progress)
            write_jsonl(cell.answers_path(code), answers)
            facts["prompts"] = {**facts["prompts"], code: cells.store_prompts(workspace, code, prompts)}
            finished += len(prompts)
            some = zip(prompts[: settings.tracking.answers], answers, strict=False)
            shown += [(code, prompt.instruction, given.text) for prompt, given in some]
    tracker.table("answers", ("language", "instruction", "answer"), shown)


def load(settings: TrainConfig, report: Report) -> Any:
    """The base model on its device; made first where it is the embedded one and this machine has none yet."""
    import torch

    if settings.trainer.threads is not None:
        torch.set_num_threads(settings.trainer.threads)
    location = models.locate(settings.model, cache(settings), lambda share, what: report(what, share))
    return models.load(settings.model, location, models.device(settings.trainer))


def cache(settings: TrainConfig) -> Path:
    """Where models made on this machine are kept."""
    return Path(settings.cache or os.environ.get("PINCH_CACHE") or Path.home() / ".cache" / "pinch").expanduser()


def versions() -> dict[str, str]:
    """Versions that results may depend on, for cell.yaml."""
    names = ("torch", "transformers", "peft", "pytorch-lightning", "tokenizers")
    return {
        "pinch": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }
