"""Facts: the errors Pinch raises on purpose, each one line that says what is wrong, where, and what to do.

Every user's mistake is a `UserError`; the doors print it as one line and exit with 2, without a traceback.
"""

import difflib
from collections.abc import Iterable

LISTED = 16
"""Options that a message lists at most."""


class PinchError(Exception):
    """Root of Pinch's own errors."""


class UserError(PinchError):
    """A mistake the user can mend; the message is one line: what is wrong, where, what to do."""


class CellError(PinchError):
    """A cell that could not be finished for a reason of its own (its loss is not a number, its adapter did not learn)."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """'; did you mean X?' for the nearest of `options`, else the options themselves, ready to append to a message."""
    choices = sorted(set(options))
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    listed = ", ".join(choices if len(choices) <= LISTED else [*choices[:LISTED], f"and {len(choices) - LISTED} more"])
    return f"; there are: {listed}" if choices else ""
