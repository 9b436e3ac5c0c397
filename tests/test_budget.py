"""Budgets: nothing beyond a limit, whatever order requests start and end in."""

import random

import pytest

from pinch.config import BudgetConfig, PriceConfig
from pinch.judges.api.budget import Budget, Cost

FREE = PriceConfig()


def test_no_limits_let_everything_through_and_count() -> None:
    budget = Budget(BudgetConfig(), FREE)
    for _ in range(3):
        reserved = budget.reserve(1000, 500)
        assert reserved is not None
        budget.settle(reserved, 700, 20)
    assert budget.spent == Cost(3, 2100, 60)
    assert budget.aside == Cost()
    assert budget.describe() == "3 calls, 2,160 tokens (2,100 of questions, 60 of replies)"


def test_what_is_under_way_counts_in_full_until_it_ends() -> None:
    budget = Budget(BudgetConfig(tokens=1000), FREE)
    one = budget.reserve(300, 300)
    assert one is not None
    assert budget.reserve(300, 300) is None
    assert not budget.exhausted, "it may fit when the first one has ended"
    budget.settle(one, 300, 50)
    two = budget.reserve(300, 300)
    assert two is not None
    budget.settle(two, 300, 300)
    assert budget.reserve(40, 11) is None
    assert budget.exhausted == "judge.budget.tokens=1000"
    assert budget.reserve(40, 10) is not None


def test_calls() -> None:
    budget = Budget(BudgetConfig(calls=2), FREE)
    reserved = [budget.reserve(1, 1), budget.reserve(1, 1)]
    assert None not in reserved
    assert budget.reserve(1, 1) is None
    for one in reserved:
        assert one is not None
        budget.settle(one, 0, 0)
    assert budget.reserve(1, 1) is None
    assert budget.exhausted == "judge.budget.calls=2"


def test_money_by_hand() -> None:
    budget = Budget(BudgetConfig(money=1.0), PriceConfig(question=2.0, reply=8.0))
    one = budget.reserve(100_000, 50_000)  # 0.2 + 0.4
    assert one is not None
    assert budget.reserve(100_000, 50_000) is None
    budget.settle(one, 100_000, 25_000)  # 0.2 + 0.2
    assert budget.spent.money(budget.price) == pytest.approx(0.4)
    assert budget.describe().endswith("0.4 to pay")
    assert budget.reserve(100_000, 50_000) is not None  # 0.4 + 0.6
    assert budget.spent.money(FREE) is None


@pytest.mark.parametrize("seed", range(20))
def test_never_beyond_a_limit(seed: int) -> None:
    rng = random.Random(seed)
    limits = BudgetConfig(calls=40, tokens=9000, money=0.05)
    price = PriceConfig(question=3.0, reply=9.0)
    budget = Budget(limits, price)
    under_way: list[Cost] = []
    while not budget.exhausted:
        reserved = budget.reserve(rng.randint(1, 400), rng.randint(1, 300))
        if reserved is not None:
            under_way.append(reserved)
        if under_way and (reserved is None or rng.random() < 0.4):
            one = under_way.pop(rng.randrange(len(under_way)))
            budget.settle(one, rng.randint(0, one.question), rng.randint(0, one.reply))
        assert budget.spent.calls <= 40
        assert budget.spent.tokens <= 9000
        assert (budget.spent.money(price) or 0) <= 0.05
    assert not under_way, "it is used up only when nothing is under way"
