"""Edge: DeepL through its official client: pip install -e '.[deepl]'.

    python -m pinch.translate corpus=en.jsonl 'to=[ru]' engine=deepl

The client's own tries are turned off: the engine's speak for all requests, stop when the run is stopped and count. Single
languages have no tag handling, so a refusal of HTML is answered with the plain text (see `services`).
"""

import importlib
import json
from collections.abc import Sequence
from typing import Any

from pinch.config import EngineConfig, Formality
from pinch.judges.api.failures import RequestError, Trouble, classify

QUOTA = 456
"""DeepL's HTTP status for a quota that is used up."""


class DeepL:
    """The service as a `parcels.Service`; `texts` and `size` are the limits of one request (128 KiB, with room for its
    frame)."""

    name, package = "DeepL", "deepl"
    others: tuple[str, ...] = ()
    texts, size = 50, 120_000

    def __init__(self, settings: EngineConfig) -> None:
        self._settings = settings
        self._client: Any = None
        self._known: set[str] = set()

    @staticmethod
    def sent(text: str) -> int:
        """Bytes of a text in a request."""
        return len(json.dumps(text)) + 2

    @staticmethod
    def billed(plain: str, html: str | None) -> int:
        """Characters that are paid for; those of tags are not (support.deepl.com: usage count and billing)."""
        return len(plain)

    def open(self, key: str) -> None:
        deepl = importlib.import_module("deepl")
        deepl.http_client.max_network_retries = 0
        deepl.http_client.min_connection_timeout = self._settings.timeout
        self._client = deepl.DeepLClient(key, server_url=self._settings.base_url, send_platform_info=False)
        self._known = {code for name, code in vars(deepl.Language).items() if name.isupper() and isinstance(code, str)}

    def languages(self) -> tuple[set[str], set[str]]:
        """Codes of what can be translated from and into: the service's lists and the client's, for the lists leave languages
        out that only texts can be translated into (developers.deepl.com: supported languages)."""
        lists = (self._client.get_source_languages(), self._client.get_target_languages())
        sources, targets = ({str(language) for language in known} for known in lists)
        return sources | self._known, targets | self._known

    def translate(self, texts: Sequence[str], source: str, target: str, html: bool) -> list[str]:
        formality = self._settings.formality
        given = self._client.translate_text(
            list(texts),
            source_lang=source.partition("-")[0],
            target_lang=target,
            split_sentences="nonewlines",
            preserve_formatting=True,
            formality=None if formality is Formality.default else formality.value,
            tag_handling="html" if html else None,
            model_type=self._settings.model,
        )
        return [one.text for one in given]

    def failure(self, error: Exception) -> RequestError | None:
        """What an exception of the client means; None if it is none of its own."""
        deepl = importlib.import_module("deepl")
        if not isinstance(error, deepl.DeepLException):
            return None
        status, words = error.http_status_code, str(error)
        if status == QUOTA:
            return RequestError(Trouble.lasting, words, status, field="quota")
        if status is None:
            passing = isinstance(error, deepl.ConnectionException)
            return RequestError(Trouble.passing if passing else Trouble.refused, words, worked=passing)
        return RequestError(classify(status, words), words, status)
