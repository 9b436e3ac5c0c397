"""Many pairs under way at once: handed over as they come, stopped cleanly, never hanging."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from judge_double import Double
from judging import KEY, expected, some_pairs
from pinch.errors import UserError
from pinch.judges.api.courier import ClosedError
from pinch.judges.api.desk import UNCOLLECTED, Ask, Desk
from pinch.judges.protocol import Judgement
from pinch.records import Outcome, Pair

PAIRS = some_pairs(30)


class Work:
    """A stand-in for the server: `seconds` per pair, errors and ends by the pair's number."""

    def __init__(self, seconds: float = 0.0, fails: int = -1, ends: int = -1) -> None:
        self.seconds, self.fails, self.ends = seconds, fails, ends
        self.started: list[Pair] = []
        self.under_way = self.most = 0
        self.closed = False

    @asynccontextmanager
    async def opening(self, closing: asyncio.Event) -> AsyncIterator[Ask]:
        try:
            yield self.ask
        finally:
            self.closed = True

    async def ask(self, pair: Pair) -> Judgement:
        number = len(self.started)
        self.started.append(pair)
        if number == self.fails:
            raise UserError("it failed")
        if number == self.ends:
            raise ClosedError
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.seconds)
        self.under_way -= 1
        return Judgement(pair, Outcome.first, "")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "pinch-judge"]


def everything(desk: Desk) -> list[Pair]:
    given = [judgement.pair for batch in desk.batches() for judgement in batch]
    assert desk.stop() == []
    return given


@pytest.mark.parametrize("concurrency", [1, 4, 100])
def test_every_pair_once_and_no_more_at_once_than_wanted(concurrency: int) -> None:
    work = Work(0.002)
    assert sorted(everything(Desk(work.opening, PAIRS, concurrency)), key=PAIRS.index) == PAIRS
    assert work.most == min(concurrency, len(PAIRS))
    assert work.closed


def test_no_pairs() -> None:
    assert everything(Desk(Work().opening, [], 4)) == []


def test_pairs_are_taken_up_as_they_are_needed() -> None:
    taken: list[Pair] = []

    def pairs() -> Iterator[Pair]:
        for pair in PAIRS:
            taken.append(pair)
            yield pair

    desk = Desk(Work(30).opening, pairs(), 3, grace=0.05)
    batches = desk.batches()
    reader = threading.Thread(target=lambda: list(batches))
    reader.start()
    time.sleep(0.2)
    assert len(taken) == 3
    assert desk.stop() == []
    reader.join()


def test_who_does_not_collect_slows_it_down() -> None:
    work = Work()
    desk = Desk(work.opening, itertools.cycle(PAIRS), 4)
    batches = desk.batches()
    got = len(next(batches))
    assert got <= UNCOLLECTED + 4
    time.sleep(0.3)
    assert len(work.started) <= got + UNCOLLECTED + 4
    rest = desk.stop()
    assert got + len(rest) == len(work.started)
    batches.close()


def test_an_error_comes_after_what_was_said_before() -> None:
    work = Work(0.01, fails=7)
    desk = Desk(work.opening, PAIRS, 4)
    given: list[Judgement] = []
    with pytest.raises(UserError, match="it failed"):
        given.extend(judgement for batch in desk.batches() for judgement in batch)
    assert desk.stop() == []
    assert len(given) == len(work.started) - 1, "what was under way with it came to its end"
    assert len(work.started) < len(PAIRS)


def test_an_end_is_no_error() -> None:
    work = Work(0.005, ends=10)
    assert len(everything(Desk(work.opening, PAIRS, 1))) >= 10


def test_an_error_while_opening() -> None:
    @asynccontextmanager
    async def opening(closing: asyncio.Event) -> AsyncIterator[Ask]:
        raise UserError("no key")
        yield

    desk = Desk(opening, PAIRS, 4)
    with pytest.raises(UserError, match="no key"):
        next(desk.batches())
    assert desk.stop() == []


def test_an_error_of_the_pairs_themselves() -> None:
    def pairs() -> Iterator[Pair]:
        yield PAIRS[0]
        raise OSError("disk")

    desk = Desk(Work().opening, pairs(), 2)
    with pytest.raises(OSError, match="disk"):
        list(desk.batches())


def test_what_is_under_way_is_waited_for_and_handed_over() -> None:
    work = Work(0.3)
    desk = Desk(work.opening, PAIRS, 5)
    batches = desk.batches()
    given = list(next(batches))
    batches.close()  # what a loop does that is left
    rest = desk.stop()
    assert {judgement.pair for judgement in (*given, *rest)} == set(work.started)
    assert len(work.started) <= 10
    assert rest


def test_the_grace_is_limited() -> None:
    desk = Desk(Work(60).opening, PAIRS, 2, grace=0.1)
    reader = threading.Thread(target=lambda: list(desk.batches()))
    reader.start()
    time.sleep(0.1)
    assert desk.stop() == []
    assert not desk._thread.is_alive()
    reader.join()


def test_stopping_twice_or_before_anything() -> None:
    desk = Desk(Work().opening, PAIRS, 2)
    assert len(everything(desk)) == len(PAIRS)
    assert desk.stop() == []


PROGRAM = """
import json, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {source!r}]
from judging import api_judge, some_pairs
from judge_double import Double
from pinch.judges.store import VerdictStore
double = Double(port={port})
judge = api_judge(double, Path({workspace!r}), concurrency=8)
for number in VerdictStore(Path({workspace!r}), judge).judge_missing(some_pairs(2000)):
    print(number, flush=True)
"""


def test_an_interrupt_loses_nothing_that_was_paid_for(tmp_path: Path) -> None:
    here = Path(__file__).parent
    environment = {**os.environ, "OPENAI_API_KEY": KEY}
    with Double(delay=0.15) as double:
        values = {
            "tests": str(here),
            "source": str(here.parent / "src"),
            "port": double.port,
            "workspace": str(tmp_path),
        }
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM.format(**values)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline(), process.stderr and process.stderr.read()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        sent = len(double.requests) - 1  # the probe
    assert process.returncode != 0
    assert err.strip().endswith("KeyboardInterrupt"), err
    assert "Exception ignored" not in err
    rows = [json.loads(line) for line in (tmp_path / "verdicts" / "double.jsonl").read_text().splitlines()]
    assert len(rows) == sent
    pairs = {(pair.prompt, expected(pair).value) for pair in some_pairs(2000)}
    assert {(row["prompt"], row["outcome"]) for row in rows} <= pairs
