"""How long is waited: back-off, what servers ask for, and for whom it holds."""

import asyncio
import random
import time

import pytest

from pinch.judges.api.waiting import CAP, LONGEST, Patience, retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 -0000"}, 60.0),
        ({"retry-after": "Tue, 14 Nov 2023 20:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "7"}, 7.0),
    ],
)
def test_what_the_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(("tries", "most"), [(1, 0.5), (2, 1.0), (3, 2.0), (7, CAP), (2000, CAP)])
def test_back_off_is_drawn_from_the_whole_range(tries: int, most: float) -> None:
    patience = Patience(rng=random.Random(0))
    waits = [patience.backoff(tries) for _ in range(400)]
    assert min(waits) < 0.05 * most
    assert 0.95 * most < max(waits) <= most


def test_a_pause_holds_for_all_until_its_end() -> None:
    clock = [100.0]
    patience = Patience(clock=lambda: clock[0], rng=random.Random(0))
    assert patience.held() == 0
    patience.hold(10)
    patience.hold(5)  # the longer one counts
    assert 10 <= patience.held() <= 10.5
    clock[0] = 109.0
    assert 1 <= patience.held() <= 1.5
    clock[0] = 110.0
    assert patience.held() == 0


def test_nobody_waits_for_ever() -> None:
    patience = Patience(clock=lambda: 0.0)
    patience.hold(86_400)
    assert LONGEST <= patience.held() <= LONGEST + 0.5


def test_a_rest_ends_when_everything_closes() -> None:
    async def rest() -> None:
        closing = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, closing.set)
        await Patience().rest(60, closing)

    began = time.monotonic()
    asyncio.run(rest())
    assert time.monotonic() - began < 30


def test_waits_can_be_scaled() -> None:
    patience = Patience(scale=0.001, clock=lambda: 0.0)
    patience.hold(100)
    assert patience.held() <= 0.1005
    assert patience.backoff(7) <= 0.03
