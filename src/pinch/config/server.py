"""Shapes: what the use of a paid server may cost."""

from dataclasses import dataclass

from pinch.config.checks import positive
from pinch.errors import UserError


@dataclass
class BudgetConfig:
    """What a judge may cost in one run of evaluate.py; none: no limit. It stops before a limit is passed, and the same
    command goes on from there."""

    calls: int | None = None
    """Requests, those that are tried again included."""
    tokens: int | None = None
    """Tokens, those of the question and of the reply."""
    money: float | None = None
    """In the currency of judge.price."""

    def __post_init__(self) -> None:
        positive("judge.budget.calls", self.calls)
        positive("judge.budget.tokens", self.tokens)
        if self.money is not None and self.money <= 0:
            raise UserError(f"judge.budget.money={self.money} must be above 0")


@dataclass
class PriceConfig:
    """What the server takes per million tokens, in any currency; none: unknown."""

    question: float | None = None
    """Of the question (prompt tokens)."""
    reply: float | None = None
    """Of the reply (completion tokens)."""

    def __post_init__(self) -> None:
        if (self.question is None) != (self.reply is None):
            raise UserError("judge.price: give both judge.price.question and judge.price.reply, or neither")
        for name in ("question", "reply"):
            if (getattr(self, name) or 0) < 0:
                raise UserError(f"judge.price.{name}={getattr(self, name)} must not be negative")
