"""Stage: what is missing is asked, over all cells together, in an order that lets a server read what questions share once.

A question shows the instruction, then one answer, then the other (judges.questions), so servers that keep prefixes (vLLM,
SGLang, llama.cpp) compute again only what stands behind the first difference. All cells' questions of one prompt come
together, those that show the same answer first side by side; the reference's answer is in as many of them as there are
cells. Questions are asked language by language, so that one language's answers have to be in memory at a time.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.progress import Progress

from pinch.bench import Bench, Contest
from pinch.cells import Cell
from pinch.errors import CellError
from pinch.records import Pair
from pinch.rulings import Judged

EVERY = 30.0
"""Seconds between lines of progress where there is no terminal to draw a bar on."""

WAVE = 100_000
"""Questions that are put in order together: about 100 MB, and the answers of 80 contests of 617 prompts."""


def ask(bench: Bench, source: Judged, cells: Iterable[Cell], progress: Progress | None = None) -> None:
    """Ask all that the contests of these cells lack, look by look where the source looks more than once. Cells whose answers
    cannot be used are passed over; scoring says why."""
    contests = [contest for cell in cells for contest in bench.contests(cell)]
    asked: set[str] = set()
    for look in range(source.looks):
        going_on: list[Contest] = []
        for cell, wave in waves(source, contests, asked, going_on):
            if source.looks > 1:
                asked |= wave.keys()
            ordered = in_turn(wave, bench.settings.judge.concurrency)
            said = f"judging {next(iter(wave.values())).language}" + (f", look {look + 1}" if source.looks > 1 else "")
            _ask(source, cell, ordered, said, progress)
        contests = going_on
        if not contests:
            break


def waves(
    source: Judged, contests: Iterable[Contest], asked: set[str], going_on: list[Contest]
) -> Iterator[tuple[Cell, dict[str, Pair]]]:
    """What the contests lack by its keys, but for what was asked already, language by language in parts of about WAVE
    questions to one store, each with a cell of it. Contests that lack anything are added to `going_on`."""
    broken: set[str] = set()
    for rows in _by_language(contests):
        wave: dict[str, Pair] = {}
        cell = rows[0].cell
        for contest in rows:
            if wave and (len(wave) >= WAVE or source.store(cell) is not source.store(contest.cell)):
                yield cell, wave
                wave = {}
            if contest.cell.id in broken:
                continue
            try:
                new = {key: pair for key, pair in source.missing([contest]).items() if key not in asked}
            except CellError:
                broken.add(contest.cell.id)
                continue
            if new:
                going_on.append(contest)
                cell = contest.cell
                wave |= new
        if wave:
            yield cell, wave


def in_turn(pairs: Mapping[str, Pair], under_way: int = 1) -> dict[str, Pair]:
    """The pairs in the order they are to be asked: prompt by prompt, within a prompt by the answer shown first, the one that
    most questions show before the others. As the `under_way` questions that are asked at once cannot share what none of them
    has finished, those that others share with go that many places ahead, and a prompt's very first twice as many."""
    prompts: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key, pair in pairs.items():
        prompts[pair.language, pair.instruction][pair.first].append(key)
    places: list[tuple[int, str]] = []
    for groups in prompts.values():
        for number, keys in enumerate(sorted(groups.values(), key=len, reverse=True)):
            steps = 2 if not number else 1 if len(keys) > 1 else 0
            places.append((len(places) - steps * (under_way - 1), keys[0]))
            places += [(place, key) for place, key in enumerate(keys[1:], start=len(places))]
    return {key: pairs[key] for _, key in sorted(places, key=lambda row: row[0])}


def _by_language(contests: Iterable[Contest]) -> list[Sequence[Contest]]:
    found: dict[str, list[Contest]] = defaultdict(list)
    for contest in contests:
        found[contest.language].append(contest)
    return [found[code] for code in sorted(found)]


def _ask(source: Judged, cell: Cell, pairs: Mapping[str, Pair], what: str, progress: Progress | None) -> None:
    bar = progress.add_task(what, total=len(pairs)) if progress else None
    done, told = 0, time.monotonic()
    for number in source.ask(cell, pairs):
        done += number
        if progress and bar is not None:
            progress.advance(bar, number)
            if not progress.console.is_terminal and time.monotonic() - told > EVERY:
                told = time.monotonic()
                progress.console.print(f"{what}: {done:,} of {len(pairs):,}", highlight=False)
    if progress and bar is not None:
        progress.remove_task(bar)
