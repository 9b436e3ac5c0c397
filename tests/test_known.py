"""What is known by address, compared with a plain dictionary."""

import random

import pytest

from pinch.judges.known import Known
from pinch.records import Outcome


def address(number: int) -> str:
    """With zeros at the end for every fourth, which arrays of bytes lose."""
    digits = f"{random.Random(number).getrandbits(128):032x}"
    return digits[:28] + "0000" if number % 4 == 0 else digits


@pytest.mark.parametrize("fresh", [1, 7, 1000])
def test_it_says_what_a_dictionary_says(fresh: int) -> None:
    known, plain = Known(fresh), {}
    draw = random.Random(5)
    for _ in range(500):
        key, outcome, unanswered = address(draw.randrange(120)), draw.choice(list(Outcome)), draw.random() < 0.3
        assert known.get(key) == plain.get(key, (None, False))[0]
        known.put(key, outcome, unanswered)
        plain[key] = (outcome, unanswered)
    assert len(known) == len(plain) == len(set(known))
    assert dict(known) == {key: outcome for key, (outcome, _) in plain.items()}
    assert {key for key in known if known.unanswered(key)} == {key for key, (_, bad) in plain.items() if bad}


def test_what_is_not_there() -> None:
    known = Known()
    assert address(1) not in known
    assert not known.unanswered(address(1))
    with pytest.raises(KeyError):
        known[address(1)]


@pytest.mark.parametrize("key", ["", "ab", "z" * 32, "0" * 34])
def test_keys_that_are_no_addresses(key: str) -> None:
    with pytest.raises(ValueError, match=r"no address|non-hexadecimal"):
        Known().put(key, Outcome.tie, False)
