"""Flow: one cell, from its settings to its answers.

corpus -> mixture -> tune -> generate, each stage skipped when its files are there already. What the settings mean is found
out before, by `jobs.prepare`. A cell of several devices runs here once per rank: the first rank decides what is to do, and
it alone writes and tells.
"""

import gc
import importlib.metadata
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pinch import __version__, cells, models, tracking
from pinch.config import GenerationEngine, Strategy
from pinch.errors import CellError
from pinch.jobs import Job
from pinch.models import Loaded
from pinch.ranks import ALONE, Ranks
from pinch.records import Answer, Prompt, write_jsonl

Report = Callable[[str, float], None]
"""Told what is being done and how much of it is (0..1)."""

Answering = Callable[[Sequence[Prompt], Callable[[int], None]], list[Answer]]
"""Answers prompts, and tells how many have their answer."""

log = logging.getLogger(__name__)


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
        _check_room(job, list(job.prompts), loaded, ranks)
        result = tuning.tune(
            loaded,
            job.corpus.chosen(plan),
            settings.tuning,
            lr=settings.tuning.learning_rate(settings.model),
            seed=settings.seed,
            folder=folder,
            logger=tracker.logger,
            progress=lambda step, steps: report("tuning", step / steps),
            memory=settings.cache_folder(),
            ranks=ranks,
        )
        facts.update(cells.plain(result), template=loaded.frame.digest)
    tracker.summarise({f"tune/{key}": value for key, value in facts.items() if isinstance(value, int | float)})


def answer(job: Job, codes: Sequence[str], report: Report, ranks: Ranks, shelf: Shelf) -> None:
    """Let the tuned (or the untuned) model answer the prompts in the languages `codes`, every rank one language at a time; a
    server is asked by the first rank alone. What is answered stays answered, language by language."""
    cell, workspace, name = job.cell, job.cell.folder.parent, job.settings.generation.engine.value
    if job.settings.generation.engine is GenerationEngine.server:
        if not ranks.first:
            return
        ranks = ALONE
    known: dict[str, Any] = {}
    if ranks.first:
        answered = {code: name for code, name in cells.answered(cell).items() if code not in codes}
        before = cells.read_status(cell.folder).get("generate", {})
        known = {"prompts": answered, "lexicon": cells.store_lexicon(workspace, job.corpus.lexicon)}
        for fact in ("engine", "incomplete"):
            known[fact] = {code: value for code, value in before.get(fact, {}).items() if code in answered}
    with _stage(ranks, cell.folder, "generate", **known) as facts, ExitStack() as stack:
        engine = stack.enter_context(_engine(job, codes, facts, report, ranks, shelf))
        for code, answers in _answers(job, codes, engine, report, ranks):
            write_jsonl(cell.answers_path(code), answers)
            facts["prompts"] = {**facts["prompts"], code: cells.store_prompts(workspace, code, job.prompts[code])}
            facts["engine"] = {**facts["engine"], code: name}
            facts["incomplete"] = {**facts["incomplete"], code: sum(not answer.complete for answer in answers)}
            facts.save()
        if ranks.first:
            _say_mixed(job, facts)


@contextmanager
def _engine(
    job: Job, codes: Sequence[str], facts: cells.Stage, report: Report, ranks: Ranks, shelf: Shelf
) -> Iterator[Answering]:
    """What answers; what it says of itself gets into the facts."""
    from pinch import generation

    settings, cell = job.settings, job.cell
    if settings.generation.engine is GenerationEngine.server:
        location = models.locate(settings.model, settings.cache_folder(), lambda share, what: report(what, share))
        frame, context = models.read_frame(settings.model, location)
        asked = [prompt for code in codes for prompt in job.prompts[code]]
        question = generation.Question(cell, location, frame, context, settings.generation, settings.seed)
        with generation.serving(question, asked) as session:
            facts.update(server=session.facts)
            yield session.answers
        return
    loaded = load(job, report, ranks, shelf)
    _check_room(job, codes, loaded, ranks)
    if not cell.untuned:
        loaded = generation.attach(loaded, cell.folder)
        facts["adapter"] = generation.assert_adapter_active(loaded)
    yield lambda prompts, progress: generation.generate(loaded, prompts, settings.generation, progress, settings.seed)


def _answers(
    job: Job, codes: Sequence[str], engine: Answering, report: Report, ranks: Ranks
) -> Iterator[tuple[str, list[Answer]]]:
    """Language by language, on the first rank: that of every rank, then the next."""
    total, finished = sum(len(job.prompts[code]) for code in codes), 0
    for start in range(0, len(codes), ranks.world):
        together = codes[start : start + ranks.world]
        prompts = job.prompts[together[ranks.rank]] if ranks.rank < len(together) else []
        size = sum(len(job.prompts[code]) for code in together)

        def progress(number: int, before: int = finished, scale: float = size / max(1, len(prompts))) -> None:
            report("answering", (before + number * scale) / total)

        made = ranks.gather(engine(prompts, progress))
        if ranks.first:
            yield from zip(together, made, strict=False)
        finished += size


def _check_room(job: Job, codes: Sequence[str], loaded: Loaded, ranks: Ranks) -> None:
    """Refuse prompts that leave no room for an answer before anything is paid for; say which leave little."""
    from pinch import generation

    prompts = [prompt for code in codes for prompt in job.prompts[code]]
    note = generation.check_room(loaded.frame, loaded.context, prompts, job.settings.generation.max_new_tokens)
    if note and ranks.first:
        log.warning(note)


def _say_mixed(job: Job, facts: cells.Stage) -> None:
    """Answers of two engines differ in their last decimals, which a comparison of languages should know."""
    engines = {code: facts["engine"].get(code, GenerationEngine.hf.value) for code in facts["prompts"]}
    if len(set(engines.values())) > 1:
        told = [
            f"{name} in {', '.join(sorted(code for code, other in engines.items() if other == name))}"
            for name in sorted(set(engines.values()))
        ]
        log.warning(
            f"{job.cell.id}: answered by {' and by '.join(told)}; for one engine in all languages remove its answers/ and "
            "run again"
        )


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
