"""Edge: the languages' shares of a model's pre-training documents, which are for the user to supply, with their source.

In: a CSV file with the columns language, share (percent of the documents) and source. Out: `Shares`. Those of the embedded
model are known, as the code that makes its documents is here.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pinch.analysis.study import Family
from pinch.errors import UserError
from pinch.languages import LANGUAGES, canonical

COLUMNS = ("language", "share", "source")

HEADER = f"the first line must be {','.join(COLUMNS)}"


@dataclass(frozen=True)
class Shares:
    """Percent of the pre-training documents by language, and where the numbers come from, each source once."""

    percent: Mapping[str, float]
    sources: tuple[str, ...]


def known(family: Family) -> Shares | None:
    """The shares of a model whose pre-training is known: the embedded one, if it was made from the documents of this code.
    They are the chances by which a document's language is drawn, a quiz line's being that of its question."""
    from pinch.embedded.base import recipe_hash
    from pinch.embedded.documents import SHARES

    if family.cells[0].identity.get("model", {}).get("fingerprint") != f"embedded-{recipe_hash()}":
        return None
    total = sum(SHARES.values())
    return Shares({code: 100 * share / total for code, share in SHARES.items()}, ("pinch.embedded",))


def read(path: Path) -> Shares:
    """The shares of a CSV file, languages by their codes. Raises UserError naming file and line for whatever is amiss."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"shares={path}: no such file; {HEADER}, e.g. en,78.2,Table 3 of arXiv ...") from None
    except UnicodeDecodeError:
        raise UserError(f"shares={path}: not UTF-8; convert the file, e.g. iconv -f LATIN1 -t UTF-8") from None
    except OSError as error:
        raise UserError(
            f"shares={path}: cannot be read ({error.strerror}); check the path and its permissions"
        ) from None
    lines = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    header = next(lines, [])
    if tuple(name.strip() for name in header) != COLUMNS:
        raise UserError(f"shares={path}: {HEADER}, not {','.join(header) or 'nothing'}")
    percent, sources = dict[str, float](), dict[str, None]()
    for row in lines:
        if any(field.strip() for field in row):
            code, share, source = _row(row, f"shares={path}, line {lines.line_num}")
            if code in percent:
                raise UserError(f"shares={path}, line {lines.line_num}: {code} is there twice; keep one line")
            percent[code] = share
            sources[source] = None
    _check(percent, path)
    return Shares(percent, tuple(sources))


def _row(row: list[str], where: str) -> tuple[str, float, str]:
    if len(row) != len(COLUMNS):
        raise UserError(f"{where}: {len(row)} fields instead of 3; put a source with commas into double quotes")
    code, number, source = (field.strip() for field in row)
    code = canonical(code, where)
    try:
        share = float(number)
    except ValueError:
        raise UserError(f"{where}: share {number!r} is no number; give percent of the documents, e.g. 78.2") from None
    if not 0 <= share <= 100:
        raise UserError(f"{where}: share {number} is outside 0..100; give percent of the documents")
    if not source:
        raise UserError(f"{where}: {LANGUAGES[code].name} has no source; say where the number is from")
    return code, share, source


def _check(percent: Mapping[str, float], path: Path) -> None:
    total = sum(percent.values())
    if not percent:
        raise UserError(f"shares={path}: no languages; add a line for each, language,share,source")
    if total > 100.5:
        raise UserError(f"shares={path}: the shares add up to {total:.1f}; give percent of all documents, 100 at most")
    if len(percent) > 1 and abs(total - 1) < 1e-3:
        raise UserError(f"shares={path}: the shares add up to 1; give percent, so that all documents are 100")
