"""Shapes: what the use of a paid server may cost."""

from dataclasses import dataclass

from pinch.errors import UserError


@dataclass
class BudgetConfig:
    """What a server may cost in one run; none: no limit. The run stops before a limit is passed, and the same command goes
    on from there."""

    calls: int | None = None
    """Requests, those that are tried again included."""
    tokens: int | None = None
    """Tokens, those of the question and of the reply."""
    money: float | None = None
    """In the currency of the prices."""

    def check(self, name: str) -> None:
        """Raises UserError for limits that cannot be; `name` is that of these settings, for the message."""
        for limit, value in vars(self).items():
            if value is not None and value < 1 and limit != "money":
                raise UserError(f"{name}.{limit}={value} must be 1 or more")
        if self.money is not None and self.money <= 0:
            raise UserError(f"{name}.money={self.money} must be above 0")


@dataclass
class PriceConfig:
    """What the server takes per million tokens, in any currency; none: unknown."""

    question: float | None = None
    """Of the question (prompt tokens)."""
    reply: float | None = None
    """Of the reply (completion tokens)."""

    def check(self, name: str) -> None:
        """Raises UserError for prices that cannot be; `name` is that of these settings, for the message."""
        if (self.question is None) != (self.reply is None):
            raise UserError(f"{name}: give both {name}.question and {name}.reply, or neither")
        for what, value in vars(self).items():
            if (value or 0) < 0:
                raise UserError(f"{name}.{what}={value} must not be negative")
