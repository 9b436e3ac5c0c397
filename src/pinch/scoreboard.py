"""Stage: items as the entries of scores.json, the tracker's summary, and the table that evaluate.py ends with.

Everything is in per cent. Averages over languages are clustered by prompt; a cell that is its own reference (score 50 by
definition, no calls) never enters an average.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from pinch import references, scoring, stats
from pinch.bench import Bench
from pinch.cells import Cell, role
from pinch.config import SEQUENTIAL, JudgeConfig, JudgeKind, Stop
from pinch.records import Answer, Item
from pinch.rulings import Course

Entry = dict[str, Any]

GROUPS = {"base": ("base",), "seen": ("seen",), "unseen": ("unseen",), "non_base": ("seen", "unseen")}
"""Groups of evaluation languages by their roles: the base of the mixture, the others in it, those outside it."""

POOR = {"exact": 2.0, "chrf": 15.0}
"""If no cell gets beyond these in any language, the answers say little about anything."""


def against_entry(cell: Cell, items: Sequence[Item], confidence: float) -> Entry:
    """Scores of one cell against one kind of reference, per language and per group of languages."""
    by_language = _by_language(items)
    languages = {code: _score(rows, confidence) for code, rows in by_language.items()}
    compared = {code: rows for code, rows in by_language.items() if rows[0].outcome != "self"}
    groups = {}
    told = {code: rows for code, rows in compared.items() if languages[code]["score"] is not None}
    for name, codes in _groups(cell, told).items():
        points = _table({code: {i.prompt: i.score for i in compared[code]} for code in codes}, 100.0)
        estimate = stats.clustered(points, confidence)
        groups[name] = {"languages": codes, "n": estimate.n, "score": _number(estimate.mean), **_spread(estimate)}
    return {"languages": languages, "groups": groups}


def decided_entry(items: Sequence[Item], courses: Mapping[str, Course], confidence: float) -> Entry:
    """What judge.stop=sequential says of one cell against one kind of reference: per language the items there are, how far
    the contest came, and what was decided. Without intervals and averages: a score that stopped early is biased outward.
    `courses` by language."""
    languages = {}
    for code, rows in _by_language(items).items():
        row = _score(rows, confidence) | {"se": None, "low": None, "high": None}
        course = courses.get(code)
        if course is not None:
            row |= {
                "decided": course.decided,
                "stopped_early": course.stopped_early,
                "look": course.look,
                "looks": course.looks,
                "planned": course.planned,
                "z": course.z,
                "bound": course.bound,
            }
        languages[code] = row
    return {"languages": languages, "groups": {}}


def _score(items: Sequence[Item], confidence: float) -> Entry:
    """One language: counts of outcomes, score, interval, and the score if every invalid item were a loss or a win.

    No score, only its bounds, where most items are invalid; neither of them where some are not judged yet."""
    count = Counter(item.outcome for item in items)
    own = count["self"] > 0
    values = np.array([100 * item.score for item in items if item.score is not None and not own], dtype=float)
    told = scoring.enough(len(values), count["invalid"], count["unjudged"])
    estimate = stats.mean(values if told else values[:0], confidence)
    judged, total = 0 if count["unjudged"] else len(values) + count["invalid"], float(values.sum())
    return {
        "n": len(values),
        "wins": count["win"],
        "ties": count["tie"],
        "losses": count["loss"],
        "identical": count["identical"],
        "invalid": count["invalid"],
        "unjudged": count["unjudged"],
        "score": 50.0 if own else _number(estimate.mean),
        **_spread(estimate),
        "low_if_invalid_lost": total / judged if judged else None,
        "high_if_invalid_won": (total + 100 * count["invalid"]) / judged if judged else None,
        "reference_cell": items[0].reference_cell,
    }


def answers_entry(
    cell: Cell, facts: Mapping[str, Sequence[Item]], given: Mapping[str, Mapping[str, Answer]], confidence: float
) -> Entry:
    """What the answers are like by themselves, per language and group. `facts` holds one item per prompt and language,
    whatever it was compared with; `given` the answers by prompt."""
    languages = {}
    for code, items in facts.items():
        answers = [given[code][item.prompt] for item in items]
        entry = _qualities(items, {code: items}, confidence)
        entry["complete"] = 100 * sum(answer.complete for answer in answers) / len(answers)
        shares = Counter(item.answered_in for item in items).most_common()
        entry["answered_in"] = {name: 100 * number / len(items) for name, number in shares}
        languages[code] = entry
    groups = {}
    for name, codes in _groups(cell, facts).items():
        chosen = {code: facts[code] for code in codes}
        together = [item for code in codes for item in facts[code]]
        groups[name] = {"languages": codes, **_qualities(together, chosen, confidence)}
    return {"languages": languages, "groups": groups}


def _qualities(items: Sequence[Item], by_language: Mapping[str, Sequence[Item]], confidence: float) -> Entry:
    points = _table({code: {i.prompt: i.exact for i in rows} for code, rows in by_language.items()}, 100.0)
    exact = stats.clustered(points, confidence)
    chrf = [item.chrf for item in items if item.chrf is not None]
    return {
        "n": len({item.prompt for item in items}),
        "exact": _number(exact.mean),
        "exact_low": _number(exact.low),
        "exact_high": _number(exact.high),
        "chrf": sum(chrf) / len(chrf) if chrf else None,
        "right_language": 100 * sum(item.right_language is True for item in items) / len(items),
        "undecided": 100 * sum(item.right_language is None for item in items) / len(items),
    }


def _by_language(items: Sequence[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        found[item.language].append(item)
    return dict(found)


def _groups(cell: Cell, languages: Mapping[str, Any]) -> dict[str, list[str]]:
    """The groups that have any of the languages, with the languages they have."""
    groups = {name: [code for code in languages if role(cell, code) in roles] for name, roles in GROUPS.items()}
    return {name: codes for name, codes in groups.items() if codes}


def _table(columns: Mapping[str, Mapping[str, float | None]], scale: float) -> stats.Array:
    """[prompts, languages], NaN where there is no value."""
    prompts = {
        prompt: row for row, prompt in enumerate(dict.fromkeys(p for column in columns.values() for p in column))
    }
    table = np.full((len(prompts), len(columns)), np.nan)
    for place, column in enumerate(columns.values()):
        for prompt, value in column.items():
            if value is not None:
                table[prompts[prompt], place] = scale * value
    return table


def _spread(estimate: stats.Estimate) -> Entry:
    return {"se": _number(estimate.se), "low": _number(estimate.low), "high": _number(estimate.high)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def summary(entry: Entry, kind: str, judge: str) -> dict[str, float | str]:
    """Flat values for the tracker: score/<language or group> against one kind of reference by the judge that scored last
    (score/judge), the same under the judge's own name, and what the answers are like by themselves. Scores of
    judge.stop=sequential are told under the judge's own name alone."""
    against = entry["against"].get(kind, {"languages": {}, "groups": {}})
    answers = entry["answers"]["languages"]
    scores = against["languages"] | {name: against["groups"].get(name, {}) for name in ("seen", "unseen")}
    said = {name: value["score"] for name, value in scores.items() if value.get("score") is not None}
    found: dict[str, float | str | None] = {f"judges/{judge}/{name}": value for name, value in said.items()}
    if not judge.endswith(SEQUENTIAL):
        found |= {f"score/{name}": value for name, value in said.items()}
        found |= {"score/judge": judge, "score/against": kind or None}
    found |= {f"exact/{code}": value["exact"] for code, value in answers.items()}
    found |= {f"language_right/{code}": value["right_language"] for code, value in answers.items()}
    return {name: value for name, value in found.items() if value is not None}


def scoreboard(judged: Sequence[tuple[Cell, Entry]], kind: str) -> Table:
    """One row per cell: scores against one kind of reference with half their interval, and the answers' own qualities
    averaged over all languages."""
    title = f"score against the {kind} reference in % (50 = par), with half its interval"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("tuned on", overflow="fold")
    for name in ("P %", "seed", "n", "seen", "unseen", "base", "exact", "right language", "invalid"):
        table.add_column(name, justify="right", no_wrap=" " not in name)
    for cell, entry in sorted(judged, key=lambda pair: _place(pair[0])):
        against = entry["against"].get(kind, {"languages": {}, "groups": {}})
        answers = entry["answers"]["languages"].values()
        table.add_row(
            "untuned" if cell.untuned else _names(cell),
            "" if cell.untuned else f"{100 * cell.axes.fraction:.4g}",
            "" if cell.axes.seed is None else str(cell.axes.seed),
            str(_prompts(against, answers)),
            *(_cell(against, name) for name in ("seen", "unseen", "base")),
            _average([row["exact"] for row in answers]),
            _average([row["right_language"] for row in answers]),
            str(sum(row["invalid"] for row in against["languages"].values())),
        )
    return table


def decisions(judged: Sequence[tuple[Cell, Entry]], kind: str) -> Table:
    """One row per cell: in how many languages judge.stop=sequential found it above or below par against one kind of
    reference, and the share of the prompts that this took."""
    title = f"decided against the {kind} reference (judge.stop=sequential): languages above par, below it, open"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("tuned on", overflow="fold")
    for name in ("P %", "seed", "above", "below", "open", "stopped early", "prompts"):
        table.add_column(name, justify="right", no_wrap=" " not in name)
    for cell, entry in sorted(judged, key=lambda pair: _place(pair[0])):
        languages = entry["against"].get(kind, {"languages": {}})["languages"]
        rows = [row for row in languages.values() if "decided" in row]
        said = Counter(row["decided"] for row in rows)
        planned = sum(row["planned"] for row in rows)
        used = sum(row["n"] + row["invalid"] + row["unjudged"] for row in rows)
        table.add_row(
            "untuned" if cell.untuned else _names(cell),
            "" if cell.untuned else f"{100 * cell.axes.fraction:.4g}",
            "" if cell.axes.seed is None else str(cell.axes.seed),
            *(str(said[name]) for name in ("above", "below", "open")),
            str(sum(row["stopped_early"] for row in rows)),
            f"{used:,} of {planned:,}",
        )
    return table


def _prompts(against: Entry, answers: Iterable[Entry]) -> int:
    """Prompts of a language: those compared, and where there is no comparison those answered."""
    counted = ("n", "invalid", "unjudged")
    compared = max((sum(row[name] for name in counted) for row in against["languages"].values()), default=0)
    return compared or max((row["n"] for row in answers), default=0)


def telling(judged: Sequence[tuple[Cell, Entry]], kinds: Sequence[str]) -> str | None:
    """The kind of reference to show: the first that has at least half as many comparisons as any; None without any."""
    found: Counter[str] = Counter()
    for _, entry in judged:
        for kind, against in entry["against"].items():
            found[kind] += sum(row["n"] > 0 for row in against["languages"].values())
    most = max(found.values(), default=0)
    return next((kind for kind in kinds if kind in found and 2 * found[kind] >= most), None)


def notes(bench: Bench, judged: Sequence[tuple[Cell, Entry]]) -> Iterator[str]:
    """What the user should know, one line each."""
    settings, absent, near_misses = bench.settings, bench.absent, bench.near_misses
    where = "".join(
        f" {name}={value}"
        for name, value, usual in (("workspace", settings.workspace, "study"), ("root", settings.root, "multirun"))
        if value != usual
    )
    if bench.unanswered:
        yield f"{bench.unanswered} cells have no answers yet and were left out; python train.py finishes them"
    if codes := sorted(absent.get("monolingual", ())):
        yield (
            f"some cells have no monolingual reference in {', '.join(codes)}, so no score there; python train.py -m "
            f"languages=one languages.base={','.join(codes)}{where} makes them (with the other settings of your cells)"
        )
    for kind in sorted(absent.keys() - set(references.KINDS)):
        yield f"{kind} did not answer the same prompts in {', '.join(sorted(absent[kind]))}, so no score against it there"
    if absent.get("base"):
        yield f"some cells have no untuned model to compare with; python train.py tuning=none{where} makes it answer"
    for kind in references.KINDS:
        if names := sorted(near_misses.get(kind, ())):
            yield f"there are {kind} cells that are no references because they differ in {', '.join(names)}"
    rows = [row for _, entry in judged for kind in entry["against"].values() for row in kind["languages"].values()]
    if invalid := sum(row["invalid"] for row in rows):
        because = ": prompts have no reference answer" if settings.judge.kind.value == "reference" else ""
        yield (
            f"{invalid} comparisons have no valid verdict and no score{because}; scores.json bounds what they could change "
            "(low_if_invalid_lost, high_if_invalid_won)"
        )
    if unjudged := sum(row["unjudged"] for row in rows):
        yield f"{unjudged} comparisons are not judged yet; languages with such comparisons have no score until they are"
    if settings.judge.stop is Stop.sequential:
        yield (
            "judge.stop=sequential decides above or below par; scores of contests that stopped early are biased outward and "
            "are kept apart, no figure shows them; the same command without judge.stop goes on from these verdicts"
        )
    if kin := sorted({cell.axes.model for cell, _ in judged if _kindred(settings.judge, cell.axes.model)}):
        yield (
            f"the judge {settings.judge.label()} and {', '.join(kin)} are of one family; judges tend to prefer their own "
            "kind: compare with another judge, or with people"
        )
    if sentence := poor(judged):
        yield sentence


def _kindred(judge: JudgeConfig, model: str) -> bool:
    """Whether a judge's model and a cell's begin with the same word, as Qwen3-32B and qwen3-1.7b do."""
    names = (Path(str(judge.model)).name if judge.kind in (JudgeKind.api, JudgeKind.hf) else "", model)
    one, other = (re.match(r"[a-z]*", name.casefold()) for name in names)
    return bool(one and other and len(one[0]) > 2 and one[0] == other[0])


def poor(judged: Sequence[tuple[Cell, Entry]]) -> str | None:
    """A sentence when no cell answers well in any language: then scores compare bad answers with bad answers."""
    rows = [row for _, entry in judged for row in entry["answers"]["languages"].values()]
    best = {name: max((row[name] for row in rows if row[name] is not None), default=None) for name in POOR}
    if any(value is None or value >= POOR[name] for name, value in best.items()):
        return None
    return (
        f"the models' answers are poor: at best {best['exact']:.1f} % equal the reference (chrF {best['chrf']:.1f}), so "
        "scores compare bad answers with bad answers; look at answers/, tune longer or start from a stronger model"
    )


def _place(cell: Cell) -> tuple[Any, ...]:
    axes = cell.axes
    return (
        axes.model,
        not cell.untuned,
        axes.method,
        axes.n_languages,
        axes.languages,
        axes.fraction,
        axes.seed or 0,
        cell.id,
    )


def _names(cell: Cell) -> str:
    return "+".join(cell.axes.languages) if cell.axes.n_languages <= 6 else f"{cell.axes.n_languages} languages"


def _cell(against: Entry, group: str) -> str:
    found = against["groups"].get(group)
    if found is None or found["score"] is None:
        own = group == "base" and any(row["n"] == 0 and row["score"] == 50 for row in against["languages"].values())
        return "itself" if own else "-"
    half = (found["high"] - found["low"]) / 2
    return f"{found['score']:.1f}±{half:.1f}" if half < 9.95 else f"{found['score']:.1f}±{half:.0f}"


def _average(values: Sequence[float | None]) -> str:
    kept = [value for value in values if value is not None]
    return f"{sum(kept) / len(kept):.1f}" if kept else "-"
