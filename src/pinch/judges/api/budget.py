"""Stage: what judging may cost and has cost: requests, tokens, money.

Strict: what a request can take at most is put aside before it is sent and replaced by what it took, so no limit is passed
as long as the server keeps to the limits it was given. Made for one thread; the sums may be read from any.
"""

from dataclasses import dataclass, field

from pinch.config import BudgetConfig, PriceConfig

MILLION = 1_000_000


@dataclass(frozen=True)
class Cost:
    """Requests, tokens of questions, tokens of replies."""

    calls: int = 0
    question: int = 0
    reply: int = 0

    @property
    def tokens(self) -> int:
        return self.question + self.reply

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.calls + other.calls, self.question + other.question, self.reply + other.reply)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.calls - other.calls, self.question - other.question, self.reply - other.reply)

    def money(self, price: PriceConfig) -> float | None:
        """In the currency of the prices; None where they are not known."""
        if price.question is None or price.reply is None:
            return None
        return (self.question * price.question + self.reply * price.reply) / MILLION


@dataclass
class Budget:
    """The limits, what is spent, and what is put aside for requests under way. `exhausted` is the limit that was in the way
    when nothing was under way any more, empty before."""

    limits: BudgetConfig
    price: PriceConfig
    spent: Cost = field(default_factory=Cost)
    aside: Cost = field(default_factory=Cost)
    exhausted: str = ""

    def reserve(self, question: int, reply: int) -> Cost | None:
        """Put aside what one request takes at most; None when that does not fit, for now or, if nothing is under way,
        for good."""
        wanted = Cost(1, question, reply)
        limit = self._limit(self.spent + self.aside + wanted)
        if not limit:
            self.aside += wanted
            return wanted
        if not self.aside.calls:
            self.exhausted = limit
        return None

    def settle(self, reserved: Cost, question: int, reply: int) -> None:
        """A request has ended: what it took in place of what was put aside for it."""
        self.aside -= reserved
        self.spent += Cost(1, question, reply)

    def _limit(self, cost: Cost) -> str:
        """The limit that a cost would pass, as a setting; empty if none."""
        money = cost.money(self.price)
        for name, value in (("calls", cost.calls), ("tokens", cost.tokens), ("money", money)):
            limit = getattr(self.limits, name)
            if limit is not None and value is not None and value > limit:
                return f"judge.budget.{name}={limit}"
        return ""

    def describe(self) -> str:
        """What was spent, in words."""
        money = self.spent.money(self.price)
        paid = "" if money is None else f", {money:.4g} to pay"
        return (
            f"{self.spent.calls:,} calls, {self.spent.tokens:,} tokens ({self.spent.question:,} of questions, "
            f"{self.spent.reply:,} of replies){paid}"
        )
