"""Stage: the chat server behind judge=api: where it is, its key, one request and what can go wrong with it.

The key is read from the environment when the connection is opened. It is sent to the server and to nobody else: whatever
the server says is masked before anything is done with it, since servers like to repeat keys in their errors.
"""

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from pinch.config import JudgeConfig
from pinch.errors import UserError
from pinch.judges.api import replies
from pinch.judges.api.failures import RequestError, Trouble, classify, field_of, words_of
from pinch.judges.api.replies import Reply
from pinch.judges.api.waiting import retry_after

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent to a server on this machine when there is no key; such servers take anything."""

MASK = "[key]"
SECRET = 8
"""Characters: what is shorter (none, EMPTY, token) guards nothing, and would be masked in the middle of other words."""

WORDS = 240
"""Characters of a server's error that are kept."""


class Server:
    """A connection to the server that the settings name, open inside `async with`."""

    def __init__(self, config: JudgeConfig) -> None:
        self._config = config
        self._url = _url(config)
        self._client: Any = None
        self._key = ""
        self._answered = False

    @property
    def address(self) -> str:
        """Host, port and path, for messages: without credentials and query."""
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self._url.hostname}{port}{self._url.path.rstrip('/')}"

    @property
    def identity(self) -> str:
        """The address as part of what a verdict depends on: a server on this machine is the same on every port."""
        return f"{self._url.hostname}{self._url.path.rstrip('/')}" if self._local else self.address

    @property
    def _local(self) -> bool:
        host = self._url.hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    async def __aenter__(self) -> Self:
        self._key = self._read_key()
        try:
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient
        except ImportError:
            raise UserError("judge=api needs the openai client; install it: pip install openai") from None
        url, timeout = self._url.geturl(), self._config.timeout
        direct = DefaultAsyncHttpxClient(base_url=url, timeout=timeout, trust_env=False) if self._local else None
        self._client = AsyncOpenAI(
            api_key=self._key or NO_KEY, base_url=url, max_retries=0, timeout=timeout, http_client=direct
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        await client.close()

    async def ask(self, body: Mapping[str, Any]) -> Reply:
        """Send one request and read its reply, whole and in time. Raises RequestError for everything that can go wrong."""
        reply = await self._attempt(body)
        if isinstance(reply, RequestError):
            raise reply  # here, where no exception of the client is its context: that may hold the key
        self._answered = True
        return reply

    async def _attempt(self, body: Mapping[str, Any]) -> Reply | RequestError:
        try:
            async with asyncio.timeout(self._config.timeout):
                text = await self._client.post("/chat/completions", body=body, cast_to=object)
            return self._masked(replies.read(json.loads(text) if isinstance(text, str) else text))
        except TimeoutError:
            words = f"no whole reply within judge.timeout={self._config.timeout:g} seconds"
            return RequestError(Trouble.passing, words, worked=True)
        except replies.BrokenError as error:
            trouble = classify(error.status, str(error)) if error.status else Trouble.passing
            return RequestError(trouble, self._words(str(error)), error.status, worked=True)
        except ValueError:
            return RequestError(Trouble.passing, "the reply is no whole JSON", worked=True)
        except Exception as error:  # whatever the client comes up with is a failure of this one request
            return self._failure(error)

    def give_up(self, failure: RequestError) -> UserError:
        """The one line that ends judging when every question would fail."""
        config, key = self._config, f"${self._config.key}"
        if failure.trouble is not Trouble.lasting:
            what, remedy = "the server does not work", "when it does, run this again"
        elif failure.status is None:
            what, remedy = "nobody answers", "start the server or check judge.base_url"
        elif failure.status == 401:
            what = "the server does not accept the key"
            remedy = f"check what {key} holds" if self._key else f"put the key into {key}"
        elif failure.status in (402, 429):
            what, remedy = "the account has nothing left", "top it up, then run this again"
        elif failure.status == 403:
            what = "the server denies access"
            remedy = f"check that the key in {key} may use judge.model={config.model}"
        else:
            what = "the server does not know what is asked for"
            remedy = f"check judge.model={config.model}, and judge.base_url, which ends with /v1 at most servers"
        return UserError(f"{self.address}: {what} ({failure}); {remedy}")

    def _failure(self, error: Any) -> RequestError:
        """What an exception of the client means."""
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            self._answered = True
            body = getattr(error, "body", None)
            words, code = words_of(body), str(getattr(error, "code", None) or getattr(error, "type", None) or "")
            wait = retry_after(error.response.headers, time.time())
            named = str(getattr(error, "param", None) or field_of(body))
            return RequestError(classify(status, f"{code} {words}"), self._words(words), status, named, wait)
        causes = list(_causes(error))
        words = next((str(cause) for cause in causes if str(cause)), type(error).__name__)
        unsent = any(type(cause).__name__ in ("ConnectError", "ConnectTimeout") for cause in causes)
        lasting = unsent and not self._answered
        return RequestError(Trouble.lasting if lasting else Trouble.passing, self._words(words), worked=not unsent)

    def _words(self, text: str) -> str:
        """One line, not too long, without the key."""
        line = " ".join(self.mask(text).split())
        return line if len(line) <= WORDS else f"{line[: WORDS - 3]}..."

    def _masked(self, reply: Reply) -> Reply:
        if len(self._key) < SECRET:
            return reply
        texts = {name: self.mask(getattr(reply, name)) for name in ("text", "finish", "model", "fingerprint")}
        return Reply(**(vars(reply) | texts))

    def mask(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self._key, MASK) if len(self._key) >= SECRET else text

    def _read_key(self) -> str:
        name = self._config.key
        key = os.environ.get(name, "").strip()
        if not key and not self._local:
            raise UserError(
                f"${name} is not set; put the key for {self.address} there, or name another variable: judge.key=..."
            )
        if not re.fullmatch(r"[!#-\[\]-~]*", key):  # visible ASCII without quotes and backslashes
            raise UserError(f"${name} holds characters that no key has (blanks, quotes?); set it again, the key alone")
        return key


def _url(config: JudgeConfig) -> SplitResult:
    """The server's address. Raises UserError for what is none, and for one with a password, which would end up in files."""
    text = config.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if usable and (url.username is not None or url.password is not None or url.query or url.fragment):
        raise UserError(
            f"judge.base_url holds a name, a password or a ?query; take that out, and put the key into ${config.key}"
        )
    if not usable:
        raise UserError("judge.base_url is no address of a server; give one like http://localhost:8000/v1")
    return url


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception's causes, the innermost first, then itself."""
    if error is not None:
        yield from _causes(error.__cause__)
        yield error
