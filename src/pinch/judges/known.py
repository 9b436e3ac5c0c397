"""Stage: which judgements are known, in little memory: 17 bytes each, however many a study has.

A map from addresses (128 bits, as 32 hexadecimal digits) to outcomes. Most of it lies in two arrays, sorted by address;
what is new lies in a dictionary, until there is enough of it to be sorted in.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from pinch.records import Outcome

OUTCOMES = tuple(Outcome)
UNANSWERED = 128
"""Added to the number of an outcome where the judge was asked and gave no reply."""

FRESH, SHARE = 100_000, 16
"""New addresses from which on they are sorted in: so many, and one for so many that are sorted already."""


class Known(Mapping[str, Outcome]):
    """The outcomes that count, by address. Keys that are no addresses raise ValueError."""

    def __init__(self, fresh: int = FRESH) -> None:
        self._most = fresh
        self._addresses: NDArray[np.bytes_] = np.empty(0, dtype="S16")
        self._codes: NDArray[np.uint8] = np.empty(0, dtype=np.uint8)
        self._fresh: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._addresses) + len(self._fresh)

    def __iter__(self) -> Iterator[str]:
        for address in self._addresses:
            yield bytes(address).ljust(16, b"\0").hex()  # numpy takes zeros at the end away
        for fresh in self._fresh:
            yield fresh.hex()

    def __getitem__(self, key: str) -> Outcome:
        code = self._code(_address(key))
        if code is None:
            raise KeyError(key)
        return OUTCOMES[code % UNANSWERED]

    def unanswered(self, key: str) -> bool:
        """Whether the judge was asked and gave no reply."""
        return (self._code(_address(key)) or 0) >= UNANSWERED

    def put(self, key: str, outcome: Outcome, unanswered: bool) -> None:
        """Know this of an address, whatever was known before."""
        address, code = _address(key), OUTCOMES.index(outcome) + unanswered * UNANSWERED
        place = self._place(address)
        if place is not None:
            self._codes[place] = code
            return
        self._fresh[address] = code
        if len(self._fresh) >= self._most:
            self._sort_in()

    def _code(self, address: bytes) -> int | None:
        fresh = self._fresh.get(address)
        if fresh is not None:
            return fresh
        place = self._place(address)
        return None if place is None else int(self._codes[place])

    def _place(self, address: bytes) -> int | None:
        """Where an address lies in the arrays; None when it is not there."""
        place = int(self._addresses.searchsorted(address))
        if place < len(self._addresses) and self._addresses[place] == address.rstrip(b"\0"):
            return place
        return None

    def _sort_in(self) -> None:
        addresses = np.array(list(self._fresh), dtype="S16")
        codes = np.fromiter(self._fresh.values(), dtype=np.uint8, count=len(self._fresh))
        order = addresses.argsort()
        addresses, codes = addresses[order], codes[order]
        places = self._addresses.searchsorted(addresses)
        self._addresses = np.insert(self._addresses, places, addresses)
        self._codes = np.insert(self._codes, places, codes)
        self._fresh = {}
        self._most = max(self._most, len(self._addresses) // SHARE)


def _address(key: str) -> bytes:
    address = bytes.fromhex(key)
    if len(address) != 16:
        raise ValueError(f"{key!r} is no address of 32 hexadecimal digits")
    return address
