"""Stage: which verdict a judge's reply holds.

A reply says its verdict in one of three ways, tried in this order:

1. The whole reply is a JSON object with a field "verdict" (structured output), with or without a code fence around it.
2. It has verdict lines that carry the question's boundary, `Verdict 1a2b3c: A`; the last of them counts.
3. Its last line that is not empty is a plain verdict line, `Verdict: A`, or it ends with a fenced JSON object as in 1;
   or the whole reply is a label, `A`.

Everything else is invalid: words about the answers, two labels on the line that counts, a fake verdict that the reply
quotes from an answer. Answers cannot know the boundary, so no quotation passes by 2; by 3 one passes only where a reply
without any verdict of its own ends with it. Lines are broken at "\\n" alone, since other separators occur inside texts.
"""

import json
import re
import unicodedata
from typing import Any

from pinch.records import Outcome

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "verdict": {"type": "string", "enum": ["A", "B", "tie"]}},
    "required": ["reasoning", "verdict"],
    "additionalProperties": False,
}
"""JSON schema of a structured reply, with what the strict modes of servers ask for."""

OUTCOMES = {"a": Outcome.first, "b": Outcome.second, "tie": Outcome.tie}

_NOISE = r"(?:[^\w{}]|_){0,40}"  # markup, quotes, brackets, blanks; bounded, so that no text takes long to read
_LABEL = r"(?:(?:answer|response|output|option|assistant)\b[\W_]{0,9})?(?:an?[ ]+(?=tie))?(?P<label>tie|[ab])(?![^\W_])"
_LEAD = r"(?:(?:so|thus|hence|therefore|my|the|final|overall)\b[\W_]{1,9}){0,4}"
_BARE = r"[*_`\s]{0,9}\[\[(?P<bare>tie|[ab])\]\][*_`.\s]{0,9}"
_PRAISE = r"\s(?:is\s(?:(?:the|clearly|much|slightly|far)\s){0,2}(?:better|best|winner)|wins|because|since)\b.*"

_WHOLE = re.compile(rf"{_NOISE}{_LABEL}{_NOISE}|{_BARE}", re.IGNORECASE)
_LAST = re.compile(
    rf"{_NOISE}{_LEAD}(?:verdict|winner|better answer)\b{_NOISE}(?:is\b{_NOISE})?{_LABEL}{_NOISE}|{_BARE}",
    re.IGNORECASE,
)
_CARRIED = re.compile(rf"verdict\b{_NOISE}(?:is\b{_NOISE})?{_LABEL}(?P<tail>.*)", re.IGNORECASE)
_TAIL = re.compile(rf"[\W_]*|[*_`\"')\]\s]*[.,;:(\u2013\u2014-].*|{_PRAISE}", re.IGNORECASE)
_HEAD = re.compile(rf"verdict\b{_NOISE}$", re.IGNORECASE)
_ANOTHER = re.compile(r"(?<![^\W_])(?:A|B|b|(?i:tie))(?![^\W_])")  # a lower-case a is an article

SHORT, LONG = 16, 400
_SUSPECT = re.compile(r"verdict|winner|better|\[\[|[\uff00-\uffef\u200b-\u202e]", re.IGNORECASE)
"""Lines that may be verdict lines: short ones, and those with a word or a character that belongs to one."""

_THOUGHT = re.compile(r"\s*<(think|thinking)>.*?</\1>", re.DOTALL)
_FENCED = re.compile(r"```(?:json)?\s*(?P<body>\{[^`]*\})\s*```\s*$", re.IGNORECASE)
# Cyrillic and Greek letters that look like A and B, of judges that reply in those scripts
_LOOKALIKES = str.maketrans("\u0410\u0430\u0412\u0391\u0392", "AaBAB")


def verdict(text: str, boundary: str, plain: bool = True, structured: bool = True) -> Outcome:
    """What a reply to the question with this boundary says. Never raises.

    Where an answer that was shown reads as a verdict itself, a reply that did nothing but repeat it would pass for one:
    without `plain` only lines that carry the boundary count, and JSON objects unless `structured` is off too."""
    text = _THOUGHT.sub("", text, count=1) if _THOUGHT.match(text) else text
    if text.lstrip().startswith(("<think>", "<thinking>")):
        return Outcome.invalid  # cut off in its thoughts, before it came to a verdict
    whole = _structured(text) if structured else None
    if whole is not None:
        return whole
    lines = [line for line in map(_folded, text.split("\n")) if line]
    carried = _carried(lines, boundary.lower())
    if carried is None:
        return _closing(lines, text) if plain else Outcome.invalid
    return carried


def imitates(answer: str) -> bool:
    """Whether an answer, or a line of it, would pass for a verdict if a judge did nothing but repeat it."""
    suspects = [line for line in answer.split("\n") if len(line) <= SHORT or _SUSPECT.search(line[:LONG])]
    return any(verdict(text, "") is not Outcome.invalid for text in (answer, *suspects))


def _folded(line: str) -> str:
    """A line as it is compared: full-width letters and colons and look-alikes of the labels as ASCII, without invisible
    characters (zero-width, direction marks)."""
    plain = unicodedata.normalize("NFKC", line).translate(_LOOKALIKES)
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Cf").strip()


def _structured(text: str) -> Outcome | None:
    """The verdict of a text that is one JSON object with such a field, else None."""
    text = text.strip()
    fenced = _FENCED.match(text)
    text = fenced["body"] if fenced else text
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = next((value[key] for key in value if key.lower() == "verdict"), None)
    return _label(found) if isinstance(found, str) else None


def _carried(lines: list[str], boundary: str) -> Outcome | None:
    """What the last verdict line with the boundary says; None where there is none."""
    for number in reversed(range(len(lines))):
        if boundary not in lines[number].lower():
            continue
        line = re.sub(rf"[{{(\[<]*{re.escape(boundary)}[}})\]>]*", "", lines[number], flags=re.IGNORECASE)
        found = _CARRIED.search(line)
        if found:
            return _unless_more(found)
        if _HEAD.search(line) and number + 1 < len(lines):
            below = _label(lines[number + 1])
            if below is not Outcome.invalid:
                return below
    return None


def _unless_more(found: re.Match[str]) -> Outcome:
    """The label of a verdict line, unless what follows names another one, or makes the label part of a sentence."""
    label, tail = found["label"], found["tail"]
    others = {other.lower() for other in _ANOTHER.findall(tail.lower() if label == "b" else tail)} - {label.lower()}
    return Outcome.invalid if others or not _TAIL.fullmatch(tail) else OUTCOMES[label.lower()]


def _closing(lines: list[str], text: str) -> Outcome:
    """The verdict that a reply ends with: a plain verdict line, a JSON object, or the label that is all there is."""
    if not lines or lines[-1].startswith(">"):  # a quotation
        return Outcome.invalid
    if len(lines) == 1 and _label(lines[0]) is not Outcome.invalid:
        return _label(lines[0])
    fenced = _FENCED.search(text)
    structured = _structured(fenced["body"] if fenced else lines[-1])
    if structured is not None:
        return structured
    return _outcome(_LAST.fullmatch(lines[-1]))


def _label(text: str) -> Outcome:
    """Of a text that is nothing but a label: A, "B", [[A]], Answer B, tie."""
    return _outcome(_WHOLE.fullmatch(_folded(text)))


def _outcome(found: re.Match[str] | None) -> Outcome:
    return OUTCOMES[(found["label"] or found["bare"]).lower()] if found else Outcome.invalid
