"""What a tracker has to say: each sentence once per process, so that a sweep of 50 cells does not repeat it 50 times."""

import warnings

_said: set[str] = set()


class TrackingWarning(UserWarning):
    """Said when a tracker is offline or broken; the doors print it as one line."""


def say(sentence: str) -> None:
    if sentence not in _said:
        _said.add(sentence)
        warnings.warn(f"tracking: {sentence}", TrackingWarning, stacklevel=3)
