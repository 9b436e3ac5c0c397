"""Stage: what a judge has said, read from its store by whoever knows the judge's identity, without making the judge.

In: multirun/<workspace>/verdicts/<judge>.jsonl (see judges.store). Out: the replies under the addresses asked for.
"""

import hashlib
import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinch.errors import UserError
from pinch.records import Outcome, Pair

OUTCOMES = {outcome.value: outcome for outcome in Outcome}

SEEING = ("reference",)
"""Judges that see the prompt's reference answer, by what they are called in identities."""

_HEAD = re.compile(rb'\{"key": "([0-9a-f]{32})"')
"""How the store writes a line; most lines are not wanted, and need not be understood."""


class Addresses:
    """Where the judgements of one judge lie: keys of pairs. `identity` is the judge's, which scores.json tells too."""

    def __init__(self, identity: Mapping[str, Any]) -> None:
        self._seed = hashlib.sha256(json.dumps(identity, sort_keys=True, ensure_ascii=False).encode())

    def key(self, pair: Pair, sees_reference: bool) -> str:
        """Address of a judgement: SHA-256 (first 128 bits) of the judge's identity, the language asked, the instruction,
        both answers in their order, and the reference answer if the judge sees it."""
        shown = [pair.language, pair.instruction, pair.first, pair.second]
        if sees_reference:
            shown.append("" if pair.reference is None else f"={pair.reference}")
        state = self._seed.copy()
        state.update(json.dumps(shown, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        return state.hexdigest()[:32]


@dataclass(frozen=True)
class Reply:
    """A stored reply: the judge's text as it came, or why there was none."""

    raw: str
    error: str = ""


def read_replies(workspace: Path, name: str, wanted: Container[str]) -> dict[str, Reply]:
    """The replies that count of those keys that are wanted, from the file of the judge `name`, without making the judge;
    empty without a file. Read line by line, for such files may be larger than the memory; what is broken is left out."""
    path = workspace / "verdicts" / f"{name}.jsonl"
    found: dict[str, tuple[Outcome, Reply]] = {}
    try:
        with path.open("rb") as file:
            for line in file:
                head = _HEAD.match(line)
                if head is None or head[1].decode() in wanted:
                    _hear(line, wanted, found)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    return {key: reply for key, (_, reply) in found.items()}


def _hear(line: bytes, wanted: Container[str], found: dict[str, tuple[Outcome, Reply]]) -> None:
    """Know a line's reply: it counts where there was none with a verdict before; later readings change the outcome alone."""
    try:
        row = json.loads(line.decode("utf-8", "surrogatepass"))
        key, outcome, facts = row["key"], OUTCOMES[row["outcome"]], row.get("facts") or {}
        reply = Reply(str(row["raw"]), str(facts.get("error") or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    if key not in wanted:
        return
    known = found.get(key)
    if row.get("reread"):
        found[key] = (outcome, known[1] if known else reply)
    elif known is None or known[1].error or (known[0] is Outcome.invalid and outcome is not Outcome.invalid):
        found[key] = (outcome, reply)
