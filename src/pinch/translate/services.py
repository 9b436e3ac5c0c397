"""Stage: engine=deepl and engine=google: translation services, many texts at a time, through their official clients.

    python -m pinch.translate corpus=en.jsonl 'to=[ru]' engine=deepl plan=true

Texts go in requests within the service's limits (`parcels`), by threads, within the budget (`carrier`), to a client
(`deepl`, `google`). The desk of the judges hands out what comes in, so an interrupt means the same as with engine=api.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from pinch.config import BudgetConfig, EngineConfig, PriceConfig
from pinch.errors import UserError
from pinch.judges.api.budget import Budget
from pinch.judges.api.desk import Desk
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.waiting import Patience
from pinch.translate.address import Address
from pinch.translate.carrier import Carrier
from pinch.translate.codes import of_service
from pinch.translate.deepl import DeepL
from pinch.translate.google import Google
from pinch.translate.markup import unwrapped
from pinch.translate.memory import Given, Wanted
from pinch.translate.parcels import Parcel, Service, parcels
from pinch.translate.words import ours

VERSION = 1
IN_A_ROW = 5
"""Requests in a row that may fail before it is given up."""

OF_LANGUAGES = ("target_lang", "source_lang", "language pair")
"""What services say of languages that they do not take."""


def service_of(settings: EngineConfig) -> Service:
    """The service that the settings name."""
    return DeepL(settings) if settings.kind.value == "deepl" else Google(settings)


class ServiceEngine:
    """Translates from `source` into `targets`; neither client, key nor network are needed before the first text comes."""

    def __init__(
        self,
        settings: EngineConfig,
        source: str,
        targets: Sequence[str],
        patience: Patience | None = None,
        service: Service | None = None,
    ) -> None:
        self._settings, self._source, self._targets = settings, source, targets
        self._service: Service = service or service_of(settings)
        self._address = Address(settings, self._service.name, self._service.others)
        self._patience = patience or Patience()
        self._desk: Desk | None = None
        self._codes: dict[str, str] = {}  # of the service; empty before it was asked
        self._plain: set[str] = set()  # languages in which it takes no HTML
        self._failures = 0
        limits, price = settings.budget, settings.price.characters
        # a service is paid as a chat server is for questions alone, by the character in place of the token
        self.budget = Budget(
            BudgetConfig(limits.calls, limits.characters, limits.money),
            PriceConfig() if price is None else PriceConfig(price, 0.0),
        )
        self.identity: dict[str, Any] = {
            "engine": settings.kind.value,
            "version": VERSION,
            "server": self._address.host,
            "model": settings.model,
            "formality": settings.formality.value,
        }

    def translate(self, texts: Sequence[Wanted]) -> Iterator[list[Given]]:
        """Translations as they come in; ends early when the budget is used up. Raises UserError for what would go wrong with
        every text, a quota that is used up among it."""
        if not texts or self.budget.exhausted:
            return
        if not self._codes:
            self._open()
        opening: Any = self._opening  # the desk is a judge's, and takes whatever is asked and said
        self._desk = Desk(opening, cast(Any, parcels(texts, self._service)), self._settings.concurrency)
        for batch in cast(Iterator[list[list[Given]]], self._desk.batches()):
            yield [one for given in batch for one in given]

    def stop(self) -> list[Given]:
        """Ask nothing more; what is under way is waited for, a few seconds, since it is paid for."""
        desk, self._desk = self._desk, None
        return [one for given in cast(list[list[Given]], desk.stop()) for one in given] if desk is not None else []

    def notes(self) -> list[str]:
        spent, money = self.budget.spent, self.budget.spent.money(self.budget.price)
        paid = "" if money is None else f", {money:.4g} to pay"
        told = [f"{spent.calls:,} calls, {spent.question:,} characters{paid}"] if spent.calls else []
        limit = ours(self.budget.exhausted.replace("tokens", "characters"))
        return [*told, *([f"{limit} allows nothing more; run this again to go on"] if limit else [])]

    def _open(self) -> None:
        name, key = self._service.name, self._address.key()
        try:
            self._service.open(key)
            return
        except ImportError:
            extra = self._service.package
            trouble = f"engine={extra} needs the client of {name}, which is not installed; pip install -e '.[{extra}]'"
        except Exception as error:  # credentials that are none
            said = self._address.line(str(error))
            trouble = f"{name}: no client can be made ({said}); check what ${self._address.variable} holds"
        raise UserError(trouble)

    @asynccontextmanager
    async def _opening(self, closing: asyncio.Event) -> AsyncIterator[Any]:
        settings = self._settings
        carrier = Carrier(
            self._service, self._address, self.budget, settings.retries, settings.timeout, self._patience, closing
        )
        if not self._codes:
            self._codes = await self._learnt(carrier)

        async def ask(parcel: Parcel) -> list[Given]:
            return await self._given(carrier, parcel)

        yield ask

    async def _learnt(self, carrier: Carrier) -> dict[str, str]:
        """What the service calls the languages. Raises UserError naming those that it does not have."""
        kind, name, variants = self._settings.kind.value, self._service.name, self._settings.variants
        try:
            sources, targets = await carrier.send(self._service.languages, 0)
        except RequestError as failure:
            raise self._address.give_up(failure) from None
        source = of_service(kind, self._source, sources)
        if source is None:
            raise UserError(f"{name} does not translate from {self._source}; take another engine")
        codes = {code: of_service(kind, code, targets, variants.get(code)) for code in self._targets}
        unknown = [variants.get(code, code) for code, found in codes.items() if found is None]
        if unknown:
            raise UserError(
                f"{name} does not translate into {', '.join(unknown)}; leave that out of to, or name a code that the "
                "service has, e.g. 'engine.variants={pt: pt-PT}'"
            )
        return {**{code: found for code, found in codes.items() if found}, self._source: source}

    async def _given(self, carrier: Carrier, parcel: Parcel) -> list[Given]:
        """The translations of one request's texts. What is refused is sent without HTML, which single languages lack, and
        then in halves, so that one text spoils no other."""
        if parcel.html and parcel.target in self._plain:
            parcel = parcel.plain()
        try:
            texts = await carrier.send(lambda: self._asked(parcel), parcel.billed(self._service))
        except RequestError as failure:
            again = failure.trouble in (Trouble.refused, Trouble.pair) and not _of_languages(failure)
            if again and parcel.html:
                given = await self._given(carrier, parcel.plain())
                self._plain |= {parcel.target} if not any(one.fault for one in given) else set()
                return given
            if again and len(parcel.texts) > 1:
                return [one for half in parcel.halves() for one in await self._given(carrier, half)]
            return self._failed(failure, parcel)
        self._failures = 0
        texts = [(unwrapped(text) if parcel.html else text).strip() for text in texts]
        none = "no translation in the reply"
        return [Given(one, text, "" if text else none) for one, text in zip(parcel.texts, texts, strict=True)]

    def _asked(self, parcel: Parcel) -> list[str]:
        """What the service says to a request; runs in a thread of its own."""
        source, target = self._codes[self._source], self._codes[parcel.target]
        given = self._service.translate(parcel.shown(), source, target, parcel.html)
        if len(given) != len(parcel.texts):
            raise ValueError(f"{len(given)} translations of {len(parcel.texts)} texts")
        return given

    def _failed(self, failure: RequestError, parcel: Parcel) -> list[Given]:
        """What a failed request leaves behind. Raises UserError when the same awaits every other one."""
        name, target = self._service.name, parcel.target
        if failure.trouble is Trouble.lasting:
            raise self._address.give_up(failure)
        if failure.trouble is Trouble.refused and _of_languages(failure):
            raise UserError(
                f"{name} refuses {self._source} to {target} ({failure}); leave {target} out of to, or name another code in "
                "engine.variants"
            )
        if failure.trouble is Trouble.pair:
            return [Given(one, "", f"refused: {failure}") for one in parcel.texts]
        self._failures += 1
        if self._failures >= IN_A_ROW:
            raise UserError(
                f"{name}: {IN_A_ROW} requests in a row got no translation, the last one because of ({failure}); if the "
                "service works again, run this again"
            )
        return [Given(one, "", str(failure), again=True) for one in parcel.texts]


def _of_languages(failure: RequestError) -> bool:
    return any(words in failure.words.lower() for words in OF_LANGUAGES)
