"""Edge: where a translation service is and what opens it: its address, the key of the environment, lines without the key."""

import os
import re
from urllib.parse import urlsplit

from pinch.config import EngineConfig
from pinch.errors import UserError
from pinch.judges.api.failures import RequestError, Trouble
from pinch.judges.api.server import MASK, NO_KEY, SECRET, WORDS


class Address:
    """Of the service called `name`. `others` are variables that may name a file of credentials in place of the key,
    `variable` is the one in use; `host` is None at the service's own address; `answered`: whether it ever has."""

    def __init__(self, settings: EngineConfig, name: str, others: tuple[str, ...]) -> None:
        self._name, self._others, self._secret = name, others, ""
        self.host = None if settings.base_url is None else _host(settings.base_url)
        self.variable = settings.key
        self.answered = False

    def key(self) -> str:
        """The key, empty where a file of credentials takes its place. Raises UserError when there is neither."""
        key = os.environ.get(self.variable, "").strip()
        if not re.fullmatch(r"[!#-\[\]-~]*", key):  # visible ASCII without quotes and backslashes
            raise UserError(
                f"${self.variable} holds characters that no key has (blanks, quotes?); set it again, the key alone"
            )
        files = [name for name in self._others if os.environ.get(name)]
        if not key and files:
            self.variable = files[0]
        elif not key and self._local:
            key = NO_KEY
        elif not key:
            others = "".join(f", or the path of a file of credentials into ${name}" for name in self._others)
            raise UserError(
                f"${self.variable} is not set; put the key for {self._name} there{others}, or name another variable: "
                "engine.key=..."
            )
        self._secret = key
        return key

    def line(self, text: str) -> str:
        """The text in one line, not too long, without the key."""
        text = text.replace(self._secret, MASK) if len(self._secret) >= SECRET else text
        text = " ".join(text.split())
        return text if len(text) <= WORDS else f"{text[: WORDS - 3]}..."

    def give_up(self, failure: RequestError) -> UserError:
        """The one line that ends it when every request would fail."""
        if failure.field == "quota":
            what, remedy = "the quota is used up", "what is translated is kept; when there is more, run this again"
        elif failure.trouble is not Trouble.lasting:
            what, remedy = "the service does not work", "when it does, run this again"
        elif failure.status is None:
            what, remedy = "nobody answers", "check the network, and engine.base_url if it is set"
        elif failure.status in (400, 401, 403):
            what, remedy = "it does not accept the key", f"check what ${self.variable} holds"
        elif failure.status == 402:
            what, remedy = "the account has nothing left", "top it up, then run this again"
        else:
            what, remedy = "it does not know what is asked for", "check engine.base_url if it is set"
        return UserError(f"{self._name}: {what} ({failure}); {remedy}")

    @property
    def _local(self) -> bool:
        return self.host is not None and (self.host in ("localhost", "::1") or self.host.startswith("127."))


def _host(place: str) -> str:
    """The host of an address. Raises UserError for what is none, and for one with a password, which would end up in
    files."""
    try:
        url = urlsplit(place)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or url.username is not None or url.query or url.fragment:
        raise UserError(
            "engine.base_url is no address of a service; give one like https://api.example.org, without a key"
        )
    return str(url.hostname)
