"""Pure: how a translation service is shown what it must keep: markers inside of HTML elements that are not translated.

Both services know `translate="no"`. A text without markers is sent as it is, so nothing of it is read as HTML.
"""

import html
import re

from pinch.translate.segments import MARKER

KEPT = re.compile(r"</?[A-Za-z][^<>]*>")
"""Elements in what comes back: those that were put there, since all others were escaped."""


def marked(text: str) -> bool:
    """Whether a text has markers in it."""
    return MARKER.search(text) is not None


def wrapped(text: str) -> str:
    """The text as HTML, its markers in elements that stay as they are."""
    return MARKER.sub(lambda match: f'<span translate="no">{match[0]}</span>', html.escape(text, quote=False))


def unwrapped(text: str) -> str:
    """The text of HTML that came back."""
    return html.unescape(KEPT.sub("", text))
