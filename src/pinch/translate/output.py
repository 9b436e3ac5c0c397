"""Stage: translated rows become files: those that pass, the same ids in every language by policy, and those that do not.

A row of the corpus or the prompts carries, beside its texts, the language and the digest of what it was made from, the
engine, and the checks that it does not pass but is not taken out for.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pinch.cells import digest
from pinch.config import Parallel
from pinch.errors import UserError
from pinch.records import write_jsonl
from pinch.translate.rows import Made, Row
from pinch.translate.work import Work


def write(work: Work, made: Mapping[str, Sequence[Made]], identity: Mapping[str, Any]) -> dict[str, Any]:
    """Write the rejected rows and the rest, and give the counts: {kind: {ids, kept, languages: {language: ...}}}.

    Raises UserError when rows are rejected and parallel=fail, or when no row is left."""
    settings, out = work.settings, Path(work.settings.out)
    rejected = [
        _rejection(kind, one, reasons)
        for kind, rows in made.items()
        for one in rows
        if (reasons := one.reasons(settings.reject))
    ]
    write_jsonl(out / "rejected.jsonl", rejected)
    if rejected and settings.parallel is Parallel.fail:
        raise UserError(
            f"{len(rejected):,} rows are rejected and parallel=fail: nothing is written; see {out / 'rejected.jsonl'}"
        )
    kept = {kind: _kept(work, kind, rows) for kind, rows in made.items()}
    for kind, by_language in kept.items():
        if not any(by_language[code] for code in settings.to):
            raise UserError(
                f"{kind}: no row is left of {len(work.sources[kind]):,}; see the reasons in {out / 'rejected.jsonl'}"
            )
    counts = {}
    for kind, by_language in kept.items():
        rows = {row.id: row for row in work.sources[kind]}
        for code, ids in by_language.items():
            found = {one.id: one for one in made[kind] if one.language == code}
            lines = [_line(rows[name], code, found.get(name), settings.source, identity) for name in ids]
            write_jsonl(out / kind / f"{code}.jsonl", lines)
        counts[kind] = _counts(work, kind, made[kind], by_language)
    return counts


def tell(work: Work, counts: Mapping[str, Any], console: Console) -> None:
    """Print what came of it."""
    out = Path(work.settings.out)
    for kind, found in counts.items():
        title = f"{out / kind}: {found['ids']:,} ids of the source"
        table = Table("language", title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
        for name in ("rows", "rejected", "by reason", "flagged"):
            table.add_column(name, justify="left" if name in ("by reason", "flagged") else "right")
        for code, row in found["languages"].items():
            table.add_row(code, f"{row['rows']:,}", f"{row['rejected']:,}", _said(row["reasons"]), _said(row["flags"]))
        console.print(table)
        for code in found["others"]:
            _say(
                console, f"note: {out / kind / code}.jsonl is of another run and was left as it is; its ids may differ"
            )
    if any(row["rejected"] for found in counts.values() for row in found["languages"].values()):
        _say(console, f"rejected rows, with their reasons: {out / 'rejected.jsonl'}")
    if "corpus" in counts and "prompts" in counts:
        _say(console, f"python train.py data=jsonl data.corpus={out / 'corpus'} data.prompts={out / 'prompts'}")


def _kept(work: Work, kind: str, made: Sequence[Made]) -> dict[str, list[str]]:
    """Ids per language, the source's first, in the source's order."""
    settings = work.settings
    bad = {
        code: {one.id for one in made if one.language == code and one.reasons(settings.reject)} for code in settings.to
    }
    if settings.parallel is not Parallel.keep:
        anywhere = set().union(*bad.values())
        bad = dict.fromkeys((settings.source, *settings.to), anywhere)
    ids = [row.id for row in work.sources[kind]]
    return {code: [name for name in ids if name not in bad.get(code, ())] for code in (settings.source, *settings.to)}


def _line(row: Row, code: str, made: Made | None, source: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    texts = row.texts if made is None or made.texts is None else made.texts
    line: dict[str, Any] = {"id": row.id, "language": code, **texts}
    if row.fixed:
        line["translate"] = False
    if code == source:
        return line
    engine = f"{identity['engine']}:{digest(dict(identity))}"
    return line | {"from": source, "source": row.digest, "engine": engine, "flags": made.flags if made else []}


def _rejection(kind: str, one: Made, reasons: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": kind, "id": one.id, "language": one.language, "reasons": list(reasons)}
    row |= {"faults": one.faults}
    return row | ({"why": one.why} if one.why else {}) | ({"texts": one.texts} if one.texts else {})


def _counts(work: Work, kind: str, made: Sequence[Made], kept: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    settings = work.settings
    languages: dict[str, Any] = {
        settings.source: {"rows": len(kept[settings.source]), "rejected": 0, "reasons": {}, "flags": {}}
    }
    for code in settings.to:
        rows = [one for one in made if one.language == code]
        reasons = Counter(name for one in rows for name in one.reasons(settings.reject))
        flags = Counter(name for one in rows for name in one.flags if name not in settings.reject)
        rejected = sum(bool(one.reasons(settings.reject)) for one in rows)
        languages[code] = {
            "rows": len(kept[code]),
            "rejected": rejected,
            "reasons": dict(reasons),
            "flags": dict(flags),
        }
    files = sorted(path.stem for path in (Path(settings.out) / kind).glob("*.jsonl"))
    return {
        "ids": len(work.sources[kind]),
        "parallel": settings.parallel.value,
        "languages": languages,
        "others": [name for name in files if name not in languages],
    }


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items(), key=lambda pair: -pair[1]))


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)
