"""Stage: the page on which people judge pairs.

    <folder>/<title>-<digest>.html     the page, self-contained: opens from the disk, loads nothing
    <folder>/<title>-<digest>.jsonl    its manifest: what stands left and right, so that labels can be read at any time

Annotators see no cell, no model and no other label. Which answer stands left and what comes next follow from hashes of a
seed and of the content, so that the same pairs make the same page, whatever order they are given in.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from pinch.cells import digest
from pinch.errors import UserError
from pinch.languages import LANGUAGES
from pinch.records import Pair, read_jsonl, write_text


@dataclass(frozen=True)
class Page:
    """A page on the disk: its file, the number of pairs it shows, and the digest that it and its labels are known by."""

    path: Path
    pairs: int
    digest: str


def address(pair: Pair) -> str:
    """Address of what an annotator judges, in whichever order it is shown: language, instruction and both answers."""
    return digest([pair.language, pair.instruction, sorted((pair.first, pair.second))], 16)


def distinct(pairs: Iterable[Pair]) -> dict[str, Pair]:
    """The pairs by address, each content once; equal answers need nobody's look and are left out."""
    found: dict[str, Pair] = {}
    for pair in pairs:
        if pair.first != pair.second:
            found.setdefault(address(pair), pair)
    return found


def write_page(folder: Path, pairs: Sequence[Pair], seed: int, title: str) -> Page:
    """Write the page and its manifest. Raises UserError when there is nothing to show or the folder cannot be written."""
    shown = _arranged(distinct(pairs), seed)
    if not shown:
        raise UserError(f"{folder}: no page to annotate, for no two answers differ; judge other cells or languages")
    page = _digest(shown)
    name = re.sub(r"[^\w.-]+", "-", title).strip("-.")[:40] or "page"
    path = folder / f"{name}-{page}.html"
    rows = [{"id": address(pair), **_seen(pair), "prompt": pair.prompt} for pair in shown]
    write_text(folder / f"{name}-{page}.jsonl", "".join(f"{_json(row)}\n" for row in rows))
    data = {
        "digest": page,
        "languages": [_language(code) for code in sorted({pair.language for pair in shown})],
        "pairs": [{"id": address(pair), **_seen(pair)} for pair in shown],
    }
    write_text(path, _template().render(title=title, page=page, data=Markup(_script(data))))
    return Page(path, len(shown), page)


def read_manifest(folder: Path, page: str) -> dict[str, Pair] | None:
    """What a page shows, by address, the left answer first; None when there is no such page in the folder.

    Raises UserError when the manifest is not what was written with the page."""
    found = sorted(folder.glob(f"*-{page}.jsonl")) if re.fullmatch("[0-9a-f]+", page) else []
    if not found:
        return None

    def build(row: dict[str, Any]) -> tuple[str, Pair]:
        pair = Pair(row["prompt"], row["language"], row["instruction"], row["left"], row["right"])
        return str(row["id"]), pair

    rows = read_jsonl(found[0], build)
    if any(key != address(pair) for key, pair in rows) or _digest(pair for _, pair in rows) != page:
        raise UserError(f"{found[0]}: changed since its page was written; put the original back")
    return dict(rows)


def _arranged(pairs: dict[str, Pair], seed: int) -> list[Pair]:
    """The pairs as shown: sides drawn, shuffled, and one of every language in turn, as long as there are."""
    by_language: dict[str, list[Pair]] = defaultdict(list)
    for key in sorted(pairs, key=lambda key: digest([seed, "order", key])):
        by_language[pairs[key].language].append(_sided(pairs[key], seed, key))
    rounds = zip_longest(*(by_language[code] for code in sorted(by_language)))
    return [pair for turn in rounds for pair in turn if pair is not None]


def _sided(pair: Pair, seed: int, key: str) -> Pair:
    """The pair in the order in which it is shown, which does not depend on the order given."""
    low, high = sorted((pair.first, pair.second))
    left, right = (low, high) if int(digest([seed, "left", key]), 16) % 2 else (high, low)
    return replace(pair, first=left, second=right)


def _seen(pair: Pair) -> dict[str, str]:
    return {"language": pair.language, "instruction": pair.instruction, "left": pair.first, "right": pair.second}


def _digest(shown: Iterable[Pair]) -> str:
    return digest([[address(pair), pair.first] for pair in shown], 12)


def _language(code: str) -> dict[str, Any]:
    known = LANGUAGES.get(code)
    return {"code": code, "name": known.name if known else code, "rtl": known is not None and known.rtl}


def _json(value: Any) -> str:
    """JSON that any UTF-8 file can hold: halves of surrogate pairs, which broken answers contain, are escaped."""
    return _escaped(json.dumps(value, ensure_ascii=False), "\ud800-\udfff")


def _script(value: Any) -> str:
    """JSON that means the same inside a script element and cannot end it."""
    return _escaped(json.dumps(value, ensure_ascii=False), "<>&\u2028\u2029\ud800-\udfff")


def _escaped(text: str, characters: str) -> str:
    """Outside of its strings JSON holds none of these characters, and inside an escape means the character."""
    return re.sub(f"[{characters}]", lambda found: f"\\u{ord(found[0]):04x}", text)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("annotate.html.j2")
