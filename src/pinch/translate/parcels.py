"""Pure: texts in requests that a translation service takes, and what it is asked for.

Service     a client: what it is called, takes and means (see `deepl`, `google`)
Parcel      the texts of one request
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pinch.judges.api.failures import RequestError
from pinch.translate.markup import marked, wrapped
from pinch.translate.memory import Wanted


class Service(Protocol):
    """A service through its client. `name` is for messages, `package` the extra, `others` are environment variables that may
    name a file of credentials in place of the key; `texts` and `size` limit a request, the sum of what `sent` says of its
    texts."""

    name: str
    package: str
    others: tuple[str, ...]
    texts: int
    size: int

    def sent(self, text: str) -> int: ...

    def billed(self, plain: str, html: str | None) -> int:
        """Characters that are paid for, of a text that is sent plain or as HTML."""

    def open(self, key: str) -> None:
        """Make the client. Raises ImportError where it is not installed."""

    def languages(self) -> tuple[set[str], set[str]]:
        """Codes of what can be translated from and into."""

    def translate(self, texts: Sequence[str], source: str, target: str, html: bool) -> list[str]:
        """Send one request. Whatever the client raises is for `failure`."""

    def failure(self, error: Exception) -> RequestError | None:
        """What an exception of the client means; None if it is none of its own."""


@dataclass(frozen=True)
class Parcel:
    """The texts of one request: one target language, all with markers, to be sent as HTML, or all plain."""

    texts: tuple[Wanted, ...]
    html: bool

    @property
    def target(self) -> str:
        return self.texts[0].target

    def shown(self) -> list[str]:
        """The texts as the service gets them."""
        return [wrapped(one.text) if self.html else one.text for one in self.texts]

    def billed(self, service: Service) -> int:
        """Characters that are paid for."""
        return sum(billed(service, one.text, self.html) for one in self.texts)

    def plain(self) -> "Parcel":
        return replace(self, html=False)

    def halves(self) -> tuple["Parcel", "Parcel"]:
        middle = len(self.texts) // 2
        return replace(self, texts=self.texts[:middle]), replace(self, texts=self.texts[middle:])


def billed(service: Service, text: str, html: bool = True) -> int:
    """Characters that are paid for a text, as HTML if it has markers."""
    return service.billed(text, wrapped(text) if html and marked(text) else None)


def parcels(texts: Sequence[Wanted], service: Service) -> Iterator[Parcel]:
    """The texts in requests within the service's limits; a text above them goes alone."""
    for target, html in dict.fromkeys((one.target, marked(one.text)) for one in texts):
        row: list[Wanted] = []
        size = 0
        for one in texts:
            if (one.target, marked(one.text)) != (target, html):
                continue
            more = service.sent(wrapped(one.text) if html else one.text)
            if row and (len(row) == service.texts or size + more > service.size):
                yield Parcel(tuple(row), html)
                row, size = [], 0
            row.append(one)
            size += more
        yield Parcel(tuple(row), html)
