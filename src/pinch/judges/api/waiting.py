"""Stage: how long to wait before a request is sent again.

Exponential back-off with full jitter, so that many who failed together do not come back together. Where the server says
how long, that is how long, and for everybody: one busy answer speaks for all requests.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

BASE, CAP = 0.5, 30.0
"""Seconds: the n-th wait is drawn from 0 to BASE * 2 ** n, at most CAP."""

LONGEST = 300.0
"""Seconds: a server that asks for more gets no more."""


@dataclass
class Patience:
    """The waits of one judge; `scale` shortens all of them, for tests."""

    scale: float = 1.0
    rng: random.Random = field(default_factory=random.Random)
    clock: Callable[[], float] = time.monotonic
    _until: float = -math.inf  # nothing is sent before this time of the clock

    def backoff(self, tries: int) -> float:
        """Seconds to wait after so many tries."""
        return self.scale * self.rng.uniform(0, min(CAP, BASE * 2 ** min(tries - 1, 30)))

    def hold(self, seconds: float) -> None:
        """Nothing is sent for so long, as the server wants it."""
        self._until = max(self._until, self.clock() + self.scale * min(seconds, LONGEST))

    def held(self) -> float:
        """Seconds to wait before anything is sent, with a little jitter; 0 when nothing is in the way."""
        left = self._until - self.clock()
        return left + self.scale * self.rng.uniform(0, BASE) if left > 0 else 0.0

    async def rest(self, seconds: float, closing: asyncio.Event) -> None:
        """Sleep, but no longer than until everything closes."""
        try:
            async with asyncio.timeout(seconds):
                await closing.wait()
        except TimeoutError:
            return


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait, from Retry-After (seconds or an HTTP date) or retry-after-ms; None if it says
    nothing that can be understood. `now` is seconds since 1970."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None:
        return max(seconds, 0.0)
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return max((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now, 0.0)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
