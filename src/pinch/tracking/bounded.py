"""Doing what may wait for ever, for a while."""

import queue
import threading
from collections.abc import Callable


def within(seconds: float, action: Callable[[], object]) -> None:
    """Do something that may wait for ever, for so many seconds. Raises TimeoutError when it is not over then (it is left to
    itself), and whatever it raises."""
    ends: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def act() -> None:
        try:
            action()
        except Exception as error:
            ends.put(error)
        else:
            ends.put(None)

    threading.Thread(target=act, name="tracking", daemon=True).start()
    try:
        error = ends.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:.3g} s") from None
    if error is not None:
        raise error
