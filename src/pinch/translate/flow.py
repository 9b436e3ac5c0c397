"""Flow: rows of one language in, a parallel corpus and prompts out, with what was rejected and why.

    <out>/corpus/<language>.jsonl, <out>/prompts/<language>.jsonl      ready for data=jsonl
    <out>/rejected.jsonl, report.json                                  rows that were taken out, counts by reason
    <out>/memory/<engine>.jsonl                                        every translation that was paid for

Everything is derived from the sources and the memory, so other checks or another policy cost nothing, and an interrupted run
goes on where it was.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pinch.config import PlanShow, TranslateConfig, TranslationEngine
from pinch.errors import UserError
from pinch.records import write_json
from pinch.translate import estimate, output
from pinch.translate.memory import Given, Memory, Wanted
from pinch.translate.rows import Made, Row, read_finished, read_source
from pinch.translate.work import OpenError, Work

EVERY = 30.0
"""Seconds between lines of progress where there is no terminal to draw a bar on."""


class Engine(Protocol):
    """Translates texts. `identity` is what translations depend on."""

    identity: dict[str, Any]

    def translate(self, texts: Sequence[Wanted]) -> Iterator[list[Given]]:
        """Translations as they come in; may end early."""

    def stop(self) -> list[Given]:
        """Take up nothing more; what came in meanwhile."""

    def notes(self) -> list[str]:
        """What is to be told at the end."""


def translate(settings: TranslateConfig, console: Console | None = None, engine: Engine | None = None) -> int:
    """Translate, check and write. Gives the exit code: 1 when texts are left untranslated, else 0.

    Raises UserError for sources that cannot be used, an engine that cannot be asked, and by policy for rejected rows."""
    console = console or Console()
    named = {"corpus": settings.corpus, "prompts": settings.prompts}
    sources = {kind: read_source(kind, name, settings.source) for kind, name in named.items() if name}
    work = Work(settings, sources)
    if settings.engine.kind is TranslationEngine["import"]:
        if settings.plan.show is not PlanShow.off:
            raise UserError("plan: engine=import reads finished files, which costs nothing; leave plan out")
        identity: dict[str, Any] = {"engine": "import", "files": settings.engine.files}
        made = {kind: _finished(work, kind) for kind in sources}
    else:
        engine = engine or _engine(settings)
        variants = settings.engine.variants
        memory = Memory(Path(settings.out), engine.identity, variants)
        identity = engine.identity | ({"variants": variants} if variants else {})
        if settings.plan.show is not PlanShow.off:
            return estimate.show(work, memory, console)
        fill(engine, memory, work, console)
        try:
            made = {kind: [one for code in settings.to for one in work.made(kind, code, memory)] for kind in sources}
        except OpenError:
            return _unfinished(work, memory, console)
    checked = {kind: work.check(kind, rows) for kind, rows in made.items()}
    counts = output.write(work, checked, identity)
    write_json(Path(settings.out) / "report.json", {"engine": identity, **counts})
    output.tell(work, counts, console)
    return 0


def fill(engine: Engine, memory: Memory, work: Work, console: Console) -> None:
    """Translate what is not known yet, then in parts what came back without its markers. What came in before an error or an
    interrupt is kept."""
    try:
        for what in ("translating", "translating in parts"):
            for target in work.settings.to:
                wanted = work.wanted(target) if what == "translating" else work.lost(target, memory)
                todo = [one for one in wanted if one not in memory]
                with _progress(console, f"{what} into {target}", len(todo)) as advance:
                    _ask(engine, memory, todo, advance)
    finally:
        for line in engine.notes():
            console.print(line, highlight=False, soft_wrap=True, markup=False)


def _ask(engine: Engine, memory: Memory, todo: Sequence[Wanted], advance: Any) -> None:
    waiting: list[Given] = []
    try:
        for batch in engine.translate(todo):
            waiting = list(batch)
            memory.keep(waiting)
            waiting = []
            advance(len(batch))
    finally:
        memory.keep([*waiting, *engine.stop()])


def _engine(settings: TranslateConfig) -> Engine:
    if settings.engine.kind is TranslationEngine["api"]:
        from pinch.translate.api import ApiEngine

        return ApiEngine(settings.engine)
    if settings.engine.service:
        from pinch.translate.services import ServiceEngine

        return ServiceEngine(settings.engine, settings.source, settings.to)
    from pinch.translate.hf import HfEngine

    return HfEngine(settings.engine)


def _finished(work: Work, kind: str) -> list[Made]:
    """The rows of finished files under the ids of the source; those that are not there are missing."""
    found = read_finished(kind, work.settings.engine.files, work.settings.to)
    return [_taken(row, code, found[code].get(row.id)) for code in work.settings.to for row in work.sources[kind]]


def _taken(row: Row, code: str, other: Row | None) -> Made:
    if other is None:
        return Made(row.id, code, None, {"row": ["missing"]})
    return Made(row.id, code, {name: other.texts.get(name, "") for name in row.texts})


def _unfinished(work: Work, memory: Memory, console: Console) -> int:
    wanted = [one for code in work.settings.to for one in (*work.wanted(code), *work.lost(code, memory))]
    left = sum(one not in memory for one in wanted)
    line = (
        f"{left:,} of {len(wanted):,} texts are not translated yet; nothing is written; run the same command to go on"
    )
    console.print(line, highlight=False, soft_wrap=True, markup=False)
    return 1


@contextmanager
def _progress(console: Console, what: str, total: int) -> Iterator[Any]:
    """A bar, or a line now and then where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not (total and console.is_terminal)
    ) as bar:
        task = bar.add_task(what, total=total)
        told, done = time.monotonic(), 0

        def advance(number: int) -> None:
            nonlocal told, done
            done += number
            bar.advance(task, number)
            if not console.is_terminal and time.monotonic() - told > EVERY:
                console.print(f"{what}: {done:,} of {total:,}", highlight=False)
                told = time.monotonic()

        yield advance
