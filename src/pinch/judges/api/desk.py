"""Stage: many pairs under way at once, in a thread of their own; what is said of them is handed over as it comes in.

The thread runs an event loop that only it touches, so an interrupt of the program, which reaches the main thread alone,
breaks no request. Nothing hangs: the thread ends with the last pair, with an error, or soon after `stop`.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, suppress

from pinch.judges.api.courier import ClosedError
from pinch.judges.protocol import Judgement
from pinch.records import Pair

Ask = Callable[[Pair], Awaitable[Judgement]]
Opening = Callable[[asyncio.Event], AbstractAsyncContextManager[Ask]]
"""Opens what is needed to ask, given the event that says when nothing is to be asked any more."""

GRACE = 10.0
"""Seconds that requests under way get to come to their end when judging is stopped: they are paid for."""

UNCOLLECTED = 256
"""Judgements that may wait to be collected before no more pairs are taken up."""

GATHER = 0.1
"""Seconds in which more may come in before a batch is handed over: each one costs its taker a write to the disk."""

LOOK = 0.02
"""Seconds between looks whether they were collected."""


class Desk:
    """Takes up pairs, `concurrency` at a time, until there are no more or it is closed."""

    def __init__(self, opening: Opening, pairs: Iterable[Pair], concurrency: int, grace: float = GRACE) -> None:
        self._opening, self._pairs, self._concurrency, self._grace = opening, iter(pairs), concurrency, grace
        self._loop = asyncio.new_event_loop()
        self._closing, self._hurry = asyncio.Event(), asyncio.Event()
        self._done: list[Judgement] = []  # appended to by the thread, emptied by the collector: atomic both
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pinch-judge", daemon=True)

    def batches(self) -> Iterator[list[Judgement]]:
        """Judgements as they come in, at least one at a time. Raises what ended judging, after what came in before."""
        self._thread.start()
        try:
            while True:
                self._wait()
                over = self._over
                batch = self._collect()
                if batch:
                    yield batch
                elif over:
                    break
        finally:
            self._tell(self._closing)
        if self._error is not None:
            raise self._error

    def _wait(self) -> None:
        """Until something has come in, and a little longer. (Waiting on a queue, since an interrupt breaks no queue.)"""
        if not self._over:
            self._news.get()
        until = time.monotonic() + GATHER
        with suppress(queue.Empty):
            while not self._over:
                self._news.get(timeout=max(until - time.monotonic(), 0))

    def stop(self) -> list[Judgement]:
        """Take up nothing more, give what is under way its grace, and hand over what was not collected yet."""
        self._tell(self._closing)
        self._tell(self._hurry)
        if self._thread.is_alive():
            self._thread.join(self._grace + 5)
        return self._collect()

    def _collect(self) -> list[Judgement]:
        batch = self._done[:]
        del self._done[: len(batch)]
        return batch

    def _tell(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop is closed, so the thread is through
            self._loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # it is the collector's to see
            self._error = self._error or error
        finally:
            self._over = True
            self._news.put(None)

    async def _main(self) -> None:
        """Do the work; when it is to be stopped, wait for it no longer than the grace."""
        work = asyncio.create_task(self._work())
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({work, hurry}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await asyncio.wait({work}, timeout=self._grace)
            work.cancel()
        hurry.cancel()
        await asyncio.wait({work, hurry})
        if not work.cancelled() and work.exception() is not None:
            self._error = self._error or work.exception()

    async def _work(self) -> None:
        try:
            async with self._opening(self._closing) as ask:
                await self._all(ask)
        except ClosedError:
            return

    async def _all(self, ask: Ask) -> None:
        workers = [asyncio.create_task(self._worker(ask)) for _ in range(self._concurrency)]
        try:
            await asyncio.wait(workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self, ask: Ask) -> None:
        """Take up one pair after the other. The first error ends it for all, once what is under way has ended."""
        try:
            while not self._closing.is_set():
                if len(self._done) >= UNCOLLECTED:
                    await asyncio.sleep(LOOK)
                    continue
                pair = next(self._pairs, None)
                if pair is None:
                    return
                self._done.append(await ask(pair))
                self._news.put(None)
        except ClosedError:
            return
        except Exception as error:
            self._error = self._error or error
            self._closing.set()
