"""Stage: how a request gets to a translation service and comes back: threads, since clients wait; tries, pauses, the budget.

What `pinch.judges.api.courier` is for chat servers, with the same pauses, failures and sums.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar, cast

from pinch.judges.api.budget import Budget
from pinch.judges.api.courier import ClosedError
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.waiting import Patience
from pinch.translate.address import Address
from pinch.translate.parcels import Service

LOOK = 0.05
"""Seconds between looks whether the budget has room again."""

TOO_LONG = ("too long", "too large", "payload size", "exceeds the limit")
"""What services say of a text that they do not take."""

UNSENT = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "ConnectTimeoutError")
"""Exceptions of the libraries below the clients that say that no connection was made."""

T = TypeVar("T")


class Carrier:
    """Sends requests to one service within one budget, until `closing` is set; sets it when the budget is used up.
    `timeout` is in seconds, for one whole reply."""

    def __init__(
        self,
        service: Service,
        address: Address,
        budget: Budget,
        retries: int,
        timeout: float,
        patience: Patience,
        closing: asyncio.Event,
    ) -> None:
        self._service, self._address, self._budget = service, address, budget
        self._retries, self._timeout, self._patience, self._closing = retries, timeout, patience, closing

    async def send(self, call: Callable[[], T], size: int) -> T:
        """What a request of so many characters brings; it is sent again while that may help. Raises RequestError when it
        fails for good, and ClosedError when it may not be sent (again)."""
        tries = 0
        while True:
            await self._pause(self._patience.held())
            reserved = await self._reserve(size)
            tries += 1
            paid = size
            try:
                outcome = await self._attempt(call)
                if not isinstance(outcome, RequestError):
                    return outcome
                paid = size if outcome.worked else 0
            finally:
                self._budget.settle(reserved, paid, 0)
            if outcome.trouble is not Trouble.passing or tries > self._retries:
                raise outcome
            if outcome.wait is not None:
                self._patience.hold(outcome.wait)
            await self._pause(0.0 if outcome.wait is not None else self._patience.backoff(tries))

    async def _attempt(self, call: Callable[[], T]) -> T | RequestError:
        """What came of one request; failures are given back, so that no exception of the client is their context."""
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await in_thread(call)
            self._address.answered = True
            return outcome
        except TimeoutError:
            words = f"no whole reply within engine.timeout={self._timeout:g} seconds"
            return RequestError(Trouble.passing, words, worked=True)
        except Exception as error:  # whatever the client comes up with is a failure of this one request
            return self._meant(error)

    def _meant(self, error: Exception) -> RequestError:
        failure = self._service.failure(error)
        if failure is None:  # broken replies and connections: clients let through what they are built on
            failure = RequestError(Trouble.passing, str(error) or type(error).__name__, worked=True)
        if failure.status is not None:
            self._address.answered = True
        elif any(type(cause).__name__ in UNSENT for cause in _causes(error)):
            failure.worked = False
            failure.trouble = Trouble.passing if self._address.answered else Trouble.lasting
        failure.words = self._address.line(failure.words)
        too_long = failure.status == 413 or any(words in failure.words.lower() for words in TOO_LONG)
        if failure.trouble is Trouble.refused and too_long:
            failure.trouble = Trouble.pair
        return failure

    async def _pause(self, seconds: float) -> None:
        """Wait so long, and until the service is ready for requests again."""
        while seconds > 0 and not self._closing.is_set():
            await self._patience.rest(seconds, self._closing)
            seconds = self._patience.held()  # meanwhile it may have asked for more

    async def _reserve(self, size: int) -> Any:
        """What the request takes, put aside; waits for requests under way as long as it does not fit."""
        while not self._closing.is_set():
            reserved = self._budget.reserve(size, 0)
            if reserved is not None:
                return reserved
            if self._budget.exhausted:
                self._closing.set()
            await self._patience.rest(LOOK, self._closing)
        raise ClosedError


async def in_thread(call: Callable[[], T]) -> T:
    """What a call gives that waits. Its thread ends with the program, so nobody waits for a service that hangs."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(outcome: T | None, error: Exception | None) -> None:
        if future.done():
            return  # given up meanwhile
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast(T, outcome))

    def work() -> None:
        outcome, error = None, None
        try:
            outcome = call()
        except Exception as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, outcome, error)

    threading.Thread(target=work, name="pinch-service", daemon=True).start()
    return await future


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came from."""
    while error is not None:
        yield error
        for inner in (*error.args, getattr(error, "reason", None)):  # where the libraries keep the cause of a last try
            if isinstance(inner, BaseException):
                yield inner
                if isinstance(reason := getattr(inner, "reason", None), BaseException):
                    yield reason
        error = error.__cause__ or error.__context__
