"""Requests on their way: tries, pauses that hold for all, and what is charged to the budget."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from judge_double import BUSY, Double
from judging import KEY, api_judge, judged, some_pairs
from pinch.config import BudgetConfig, JudgeConfig, JudgeKind, PriceConfig
from pinch.judges.api.budget import Budget, Cost
from pinch.judges.api.courier import FRAME, ClosedError, Courier, question_bytes
from pinch.judges.api.failures import RequestError
from pinch.judges.api.manner import Manner
from pinch.judges.api.server import Server
from pinch.judges.api.waiting import Patience
from pinch.judges.questions import load
from pinch.records import Outcome

LONGEST = 100
PAIR = some_pairs(1)[0]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def carry(
    double: Double,
    work: Callable[[Courier, dict[str, Any]], Awaitable[Any]],
    limits: BudgetConfig | None = None,
    retries: int = 3,
    closed: bool = False,
) -> Budget:
    """Let a courier do some work with one request; gives the budget afterwards."""
    config = JudgeConfig(kind=JudgeKind.api, model="m", base_url=double.url, max_tokens=LONGEST, timeout=0.5)
    budget = Budget(limits or BudgetConfig(), PriceConfig())
    body = Manner(reply="text").body(config, load("pairwise").ask(PAIR), None)

    async def run() -> None:
        closing = asyncio.Event()
        if closed:
            closing.set()
        async with Server(config) as server:
            await work(Courier(server, budget, retries, Patience(scale=0.01), closing), body)

    asyncio.run(run())
    assert budget.aside == Cost()
    return budget


async def once(courier: Courier, body: dict[str, Any]) -> None:
    await courier.send(body, LONGEST)


def test_a_reply_costs_what_the_server_says() -> None:
    with Double() as double:
        budget = carry(double, once)
    assert budget.spent == Cost(1, 400, 30)


def test_without_usage_bytes_are_counted() -> None:
    with Double(usage=False) as double:
        budget = carry(double, once)
        sent = question_bytes(double.requests[0].body)
    assert budget.spent.question == sent // 4
    assert 5 <= budget.spent.reply <= 20


@pytest.mark.parametrize("trouble", [kind for kind in BUSY if kind not in ("429 after", "trickle")])
def test_what_passes_is_sent_again(trouble: str) -> None:
    async def work(courier: Courier, body: dict[str, Any]) -> None:
        reply, tries = await courier.send(body, LONGEST)
        assert "Verdict" in reply.text
        assert tries == 3

    with Double(script=[trouble, trouble]) as double:
        budget = carry(double, work)
    assert budget.spent.calls == 3


@pytest.mark.parametrize(
    ("trouble", "charged"), [("429", False), ("500", False), ("reset", True), ("trickle", True), ("cut", True)]
)
def test_what_may_have_been_worked_on_is_charged(trouble: str, charged: bool) -> None:
    with Double(script=[trouble]) as double:
        budget = carry(double, once)
    assert budget.spent.calls == 2
    assert (budget.spent.reply == 30 + LONGEST) is charged
    assert (budget.spent.question > 400) is charged


def test_tries_are_bounded() -> None:
    async def work(courier: Courier, body: dict[str, Any]) -> None:
        with pytest.raises(RequestError, match="trouble 503") as caught:
            await courier.send(body, LONGEST)
        assert caught.value.tries == 4

    with Double(always="503") as double:
        carry(double, work, retries=3)
        assert len(double.requests) == 4


def test_what_will_not_pass_is_sent_once() -> None:
    async def work(courier: Courier, body: dict[str, Any]) -> None:
        with pytest.raises(RequestError, match="trouble 400"):
            await courier.send(body, LONGEST)

    with Double(always="400") as double:
        carry(double, work)
        assert len(double.requests) == 1


def test_a_server_that_asks_to_wait_makes_all_wait() -> None:
    async def work(courier: Courier, body: dict[str, Any]) -> None:
        await asyncio.gather(*(courier.send(body, LONGEST) for _ in range(6)))
        await courier.send(body, LONGEST)

    with Double(script=["ok", "429 after"], retry_after="40", delay=0.02) as double:  # 40 * 0.01 seconds
        budget = carry(double, work)
        times = [seen.time for seen in double.requests]
    assert budget.spent.calls == 8
    assert times[5] - times[0] < 0.2, "these were under way together"
    assert times[6] - times[1] > 0.35, "the one that was refused waits"
    assert times[7] >= times[6]


def test_a_pause_holds_for_requests_that_were_never_refused() -> None:
    async def work(courier: Courier, body: dict[str, Any]) -> None:
        refused = asyncio.create_task(courier.send(body, LONGEST))
        while not double.requests:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        await courier.send(body, LONGEST)
        await refused

    with Double(script=["429 after"], retry_after="50") as double:
        carry(double, work)
        first, second, third = (seen.time for seen in double.requests)
    assert second - first > 0.45
    assert third - first > 0.45


def test_a_budget_waits_for_what_is_under_way_and_then_says_no() -> None:
    async def work(courier: Courier, body: dict[str, Any]) -> None:
        results = await asyncio.gather(*(courier.send(body, LONGEST) for _ in range(6)), return_exceptions=True)
        assert sum(isinstance(result, ClosedError) for result in results) == 3
        assert sum(isinstance(result, tuple) for result in results) == 3

    with Double() as double:
        body = Manner(reply="text").body(JudgeConfig(kind=JudgeKind.api, model="m"), load("pairwise").ask(PAIR), None)
        once_at_most = question_bytes(body) + FRAME + LONGEST
        budget = carry(double, work, BudgetConfig(tokens=once_at_most + 3 * 430 - 1))
        assert len(double.requests) == 3
    assert budget.exhausted.startswith("judge.budget.tokens=")


def test_nothing_is_sent_when_everything_closes() -> None:
    async def work(courier: Courier, body: dict[str, Any]) -> None:
        with pytest.raises(ClosedError):
            await courier.send(body, LONGEST)

    with Double() as double:
        carry(double, work, closed=True)
        assert not double.requests


@pytest.mark.parametrize(("name", "limit"), [("calls", 50), ("tokens", 30_000), ("money", 0.03)])
def test_judging_ends_early_by_itself(name: str, limit: float) -> None:
    pairs = some_pairs(200)
    with Double() as double:
        price = PriceConfig(question=1.0, reply=1.0)
        judge = api_judge(double, budget=BudgetConfig(**{name: limit}), price=price, max_tokens=64)
        given = judged(judge, pairs)
        assert len(double.requests) == judge.spent.calls
        assert judged(judge, pairs) == [], "it stays used up"
    assert 20 < len(given) < 100
    assert all(judgement.outcome is not Outcome.invalid for judgement in given)
    value = {"calls": judge.spent.calls, "tokens": judge.spent.tokens, "money": judge.spent.money(price)}[name]
    assert value is not None
    assert 0.85 * limit < value <= limit
    assert f"judge.budget.{name}={limit} allows nothing more after" in judge.exhausted
    assert judge.notes()[-1] == judge.exhausted


def test_a_budget_too_small_for_anything() -> None:
    with Double() as double:
        judge = api_judge(double, budget=BudgetConfig(tokens=10))
        assert judged(judge, some_pairs(4)) == []
        assert not double.requests
    assert judge.exhausted == "double: judge.budget.tokens=10 is too small for one request; raise it"
