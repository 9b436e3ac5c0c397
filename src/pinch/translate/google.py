"""Edge: Google Cloud Translation, edition Basic (v2), through its official client: pip install -e '.[google]'.

    python -m pinch.translate corpus=en.jsonl 'to=[ru]' engine=google

Basic, because it takes a plain API key as well as a service account's file, needs no project of the user's named, and
translates with the same model as Advanced. The client does not send anything again by itself; the engine does.
"""

import importlib
import time
from collections.abc import Sequence
from typing import Any

from pinch.config import EngineConfig
from pinch.judges.api.failures import RequestError, Trouble, classify
from pinch.judges.api.waiting import retry_after


class Google:
    """The service as a `parcels.Service`; `texts` and `size`, in characters, are the limits of one request: 128 texts, and
    the 5,000 characters that cloud.google.com/translate/quotas recommends."""

    name, package = "Google", "google"
    others: tuple[str, ...] = ("GOOGLE_APPLICATION_CREDENTIALS",)
    texts, size = 128, 5_000

    def __init__(self, settings: EngineConfig) -> None:
        self._settings = settings
        self._client: Any = None

    @staticmethod
    def sent(text: str) -> int:
        return len(text)

    @staticmethod
    def billed(plain: str, html: str | None) -> int:
        """Characters that are paid for: all that are sent, tags included."""
        return len(plain if html is None else html)

    def open(self, key: str) -> None:
        """With a key, or without it by the file that $GOOGLE_APPLICATION_CREDENTIALS names."""
        client = importlib.import_module("google.cloud.translate_v2")
        credentials = importlib.import_module("google.auth.api_key").Credentials(key) if key else None
        place = self._settings.base_url
        options = {"api_endpoint": place.rstrip("/")} if place else None
        self._client = client.Client(credentials=credentials, client_options=options)

    def languages(self) -> tuple[set[str], set[str]]:
        """Codes of what can be translated from and into."""
        known = {str(language["language"]) for language in self._client.get_languages()}
        return known, known

    def translate(self, texts: Sequence[str], source: str, target: str, html: bool) -> list[str]:
        given = self._client.translate(
            list(texts),
            target_language=target,
            source_language=source,
            format_="html" if html else "text",
            model=self._settings.model,
        )
        return [one["translatedText"] for one in given]

    def failure(self, error: Exception) -> RequestError | None:
        """What an exception of the client means; None if it is none of its own. A quota per minute and one per day have the
        same status, 403."""
        exceptions = importlib.import_module("google.api_core.exceptions")
        if isinstance(error, exceptions.GoogleAPICallError):
            status, words = int(error.code or 0), str(error.message)
            wait = retry_after(getattr(error.response, "headers", None) or {}, time.time())
            reasons = " ".join([words, *(str(one.get("reason", "")) for one in error.errors if isinstance(one, dict))])
            plain = reasons.lower().replace(" ", "")
            if "dailylimit" in plain or "perday" in plain:
                return RequestError(Trouble.lasting, words, status, field="quota")
            if "apikey" in plain.replace("_", ""):
                return RequestError(Trouble.lasting, words, status)
            busy = status == 403 and "ratelimit" in plain
            return RequestError(Trouble.passing if busy else classify(status, words), words, status, wait=wait)
        auth = importlib.import_module("google.auth.exceptions")
        if isinstance(error, auth.RefreshError | auth.DefaultCredentialsError):
            return RequestError(Trouble.lasting, str(error), 401)
        return None
