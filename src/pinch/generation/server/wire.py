"""Stage: the connection to a server that answers prompts: the care for key, errors and pauses is that of judge=api."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from pinch.config import JudgeConfig, JudgeKind, ServerConfig
from pinch.errors import UserError
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.server import Server
from pinch.judges.api.waiting import Patience

OURS = (("judge=api", "generation=server"), ("judge.", "generation.server."))
"""The settings of a judge's connection, and what they are called here."""


def ours(line: str) -> str:
    """The line with the settings named as they are here."""
    for theirs, name in OURS:
        line = line.replace(theirs, name)
    return line


class Wire(Server):
    """A connection, open inside `async with`."""

    def __init__(self, settings: ServerConfig, patience: Patience) -> None:
        shared: dict[str, Any] = {"base_url": settings.base_url, "key": settings.key, "timeout": settings.timeout}
        try:
            super().__init__(JudgeConfig(kind=JudgeKind.api, model=settings.model or "the base model's name", **shared))
        except UserError as error:
            raise UserError(ours(str(error))) from None
        self._retries, self._patience = settings.retries, patience

    @property
    def root(self) -> str:
        """The address without /v1: what is no part of the protocol is found there."""
        return self._url.geturl().rstrip("/").removesuffix("/v1").rstrip("/")

    async def send(self, path: str, body: Mapping[str, Any] | None = None, retries: int | None = None) -> Any:
        """What the server says to a request, decoded: a GET, or a POST where there is a body. Sent again after failures that
        pass, after pauses with jitter, or as long as the server asks for.

        Raises RequestError when it fails for good or too often, with the number of tries as its `tries`."""
        tries, limit = 0, self._retries if retries is None else retries
        while True:
            while (held := self._patience.held()) > 0:
                await asyncio.sleep(held)
            tries += 1
            found = await self._try(path, body)
            if not isinstance(found, RequestError):
                return found
            found.tries = tries
            if found.trouble is not Trouble.passing or tries > limit:
                raise found  # here, where no exception of the client is its context: that may hold the key
            if found.wait is None:
                await asyncio.sleep(self._patience.backoff(tries))
            else:
                self._patience.hold(found.wait)

    async def _try(self, path: str, body: Mapping[str, Any] | None) -> Any:
        """What one request brings, whole and in time, or the RequestError that it ends with."""
        try:
            async with asyncio.timeout(self._config.timeout):
                if body is None:
                    found = await self._client.get(path, cast_to=object)
                else:
                    found = await self._client.post(path, body=body, cast_to=object)
        except TimeoutError:
            words = f"no whole reply within judge.timeout={self._config.timeout:g} seconds"
            return RequestError(Trouble.passing, words, worked=True)
        except ValueError:
            return RequestError(Trouble.passing, "the reply is no whole JSON", worked=True)
        except Exception as error:  # whatever the client comes up with is a failure of this one request
            return self._failure(error)
        self._answered = True
        return found

    def words(self, failure: RequestError) -> str:
        """A failure's words, with the settings named as they are here."""
        return ours(self._words(str(failure)))

    def give_up(self, failure: RequestError) -> UserError:
        """The one line that ends answering when every prompt would fail."""
        return UserError(ours(str(super().give_up(failure))))

    async def open(self) -> None:
        """As `async with` does. Raises UserError for a key that is missing, or none."""
        try:
            await self.__aenter__()
        except UserError as error:
            raise UserError(ours(str(error))) from None

    async def close(self) -> None:
        """As the end of `async with` does; again, if need be."""
        if self._client is not None:
            await self.__aexit__(None, None, None)


def decoded(found: Any) -> Any:
    """JSON that came under another content type."""
    if not isinstance(found, str):
        return found
    try:
        return json.loads(found)
    except ValueError:
        return found
