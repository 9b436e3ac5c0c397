"""Edge: a cell's identity and its folder, the files that stages meet through.

    multirun/<workspace>/<cell>/cell.yaml       what the cell is: identity, axes, settings, versions
                               /mixture.jsonl   id, language: exactly what was trained on
                               /adapter/ model/ the tuned weights
                               /train_log.csv   per step
                               /answers/<language>.jsonl
                               /items/<judge>.jsonl, scores.json   written by evaluate
                               /status.json     per stage: running, done or failed, attempt, seconds, error
    multirun/<workspace>/prompts/<language>-<digest>.jsonl         the prompts the answers belong to
    multirun/<workspace>/prompts/lexicon-<digest>.json             word lists of the corpus, where it has them
    multirun/<workspace>/verdicts/                                 raw judgements

A cell's id depends only on what changes its weights or answers: `identify` names those settings, and IDENTITY and OUTSIDE
below list every field of TrainConfig as in or out, which a test checks.
"""

import dataclasses
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from pinch.config import Method, Template, TrainConfig
from pinch.errors import PinchError, UserError
from pinch.frames import NEUTRAL
from pinch.records import Prompt, read_jsonl, to_line, write_json, write_jsonl, write_text

IDENTITY = {
    "model": {"dtype", "template", "context", "lora_lr", "full_lr", "source", "path", "revision"},
    "data": {"source", "corpus"},
    "languages": {"base", "pool", "count", "permutation", "tuning"},
    "mixture": {"budget", "fraction", "count", "counts", "spread", "allocation", "weights", "temperature", "nested", "seed"},
    "tuning": {
        "method", "rank", "alpha", "dropout", "target", "lr", "epochs", "max_steps", "batch_size", "schedule", "warmup",
        "weight_decay", "clip", "loss_unit", "max_length",
    },
    "generation": {"max_new_tokens"},
    "": {"seed"},
}  # fmt: skip
"""Fields that may change a cell's id: directly, or through the content they lead to (the model's and the corpus'
fingerprint, the realised mixture)."""

OUTSIDE = {
    "model": {"name"},
    "data": {"name", "prompts", "budget", "answer_tokens", "max_prompts"},
    "languages": {"name", "evaluation"},
    "mixture": {"name"},
    "tuning": {"name", "micro_batch", "packing", "gradient_checkpointing"},
    "trainer": {"name", "accelerator", "devices", "threads"},
    "generation": {"name", "batch_size"},
    "tracking": {"name", "mode", "project", "entity", "group", "tags", "answers", "timeout"},
    "": {"workspace", "root", "cache", "show"},
}
"""Fields that never change a cell's id. data.budget and data.answer_tokens act through mixture.budget and
generation.max_new_tokens; prompts are checked per answer file."""


@dataclass(frozen=True)
class Axes:
    """Where a cell stands in the study. `languages` have at least one example, the base first; `fraction` is the
    multilingual share of the budget as asked (0 for one language), `other_share` the share outside the base as realised;
    `counts` are examples per language. `seed` is None for the untuned base model."""

    model: str
    data: str
    method: str
    base: str
    languages: tuple[str, ...]
    n_languages: int
    fraction: float
    other_share: float
    budget: int
    seed: int | None
    counts: dict[str, int]


@dataclass(frozen=True)
class Cell:
    """One tuned (or the untuned) model of a workspace. Cells of one `family` differ only in mixture and seed; cells of
    one `root_key` share base model and generation settings, so that the untuned cell can be their reference."""

    id: str
    folder: Path
    axes: Axes
    identity: dict[str, Any]
    family: str
    root_key: str

    def answers_path(self, language: str) -> Path:
        return self.folder / "answers" / f"{language}.jsonl"

    def items_path(self, judge: str) -> Path:
        return self.folder / "items" / f"{judge}.jsonl"

    @property
    def scores_path(self) -> Path:
        return self.folder / "scores.json"

    @property
    def untuned(self) -> bool:
        return self.axes.method == Method.none.value


def role(cell: Cell, language: str) -> str:
    """base, seen or unseen: what an evaluation language is to a cell; every language is unseen to the untuned model."""
    if language not in cell.axes.languages:
        return "unseen"
    return "base" if language == tuning_base(cell) else "seen"


def tuning_base(cell: Cell) -> str:
    """The language that a cell's budget stays in: of a cell of one language that one, whatever the base setting says."""
    names = cell.axes.languages
    return cell.axes.base if cell.axes.base in names or not names else names[0]


def digest(value: Any, length: int = 10) -> str:
    """First hex digits of the SHA-256 of a JSON-like value, independent of the order of dict keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no place in an identity")


def define(
    settings: TrainConfig,
    model_fingerprint: str,
    corpus_fingerprint: str,
    plan: Mapping[str, str],
    asked: int,
) -> Cell:
    """The cell that the settings mean. `plan` maps example id to language (empty for the untuned model); `asked` is the
    number of multilingual examples the settings ask for. Two settings with the same meaning give the same id."""
    identity = identify(settings, model_fingerprint, corpus_fingerprint, plan)
    axes = _axes(settings, plan, asked)
    model_part = {key: identity[key] for key in ("model", "generation")}
    family = {key: value for key, value in identity.items() if key not in ("mixture", "seed")}
    name = f"{_slug(axes)}-{digest(identity)}"
    folder = Path(settings.root) / settings.workspace / name
    return Cell(name, folder, axes, identity, digest({**family, "budget": axes.budget}), digest(model_part))


def identify(
    settings: TrainConfig, model_fingerprint: str, corpus_fingerprint: str, plan: Mapping[str, str]
) -> dict[str, Any]:
    """What the id is made of, as plain values. The mixture enters as the realised plan, not as the settings that led
    to it, so `languages=four mixture.fraction=0` is `languages=one`."""
    model = {
        "fingerprint": model_fingerprint,
        "dtype": settings.model.dtype.value,
        "template": _template(settings.model.template),
        "context": settings.model.context,
    }
    generation = {"max_new_tokens": settings.generation.max_new_tokens}
    tuning = settings.tuning
    if tuning.method is Method.none:
        return {"model": model, "generation": generation, "tuning": {"method": "none"}}
    fields = sorted(
        IDENTITY["tuning"] - ({"rank", "alpha", "dropout", "target"} if tuning.method is Method.full else set())
    )
    tuned = {name: _value(getattr(tuning, name)) for name in fields}
    tuned["lr"] = tuning.learning_rate(settings.model)
    counts = dict(sorted(Counter(plan.values()).items()))
    return {
        "model": model,
        "generation": generation,
        "corpus": corpus_fingerprint,
        "tuning": tuned,
        "mixture": {"counts": counts, "plan": digest(sorted(plan.items()), 16)},
        "seed": settings.seed,
    }


def _template(template: Template) -> str:
    """The frame's name, and for our own its text; a chat template is part of the model's fingerprint."""
    return f"neutral-{digest(NEUTRAL, 6)}" if template is Template.neutral else template.value


def _value(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _axes(settings: TrainConfig, plan: Mapping[str, str], asked: int) -> Axes:
    counts = Counter(plan.values())
    base = settings.languages.base
    names = sorted(counts, key=lambda code: (code != base, -counts[code], code))
    budget = len(plan)
    untuned = settings.tuning.method is Method.none
    return Axes(
        model=settings.model.name,
        data=settings.data.name,
        method=settings.tuning.method.value,
        base=base,
        languages=tuple(names),
        n_languages=len(names),
        fraction=asked / budget if len(names) > 1 else 0.0,
        other_share=1 - counts[base] / budget if budget else 0.0,
        budget=budget,
        seed=None if untuned else settings.seed,
        counts={name: counts[name] for name in names},
    )


def _slug(axes: Axes) -> str:
    if axes.method == Method.none.value:
        return f"{axes.model}-untuned"
    names = "+".join(axes.languages) if axes.n_languages <= 6 else f"{axes.n_languages}-languages"
    return f"{axes.model}-{names}-p{100 * axes.fraction:.4g}-s{axes.seed}"


def write_cell(cell: Cell, settings: TrainConfig, versions: Mapping[str, str]) -> None:
    """Write cell.yaml, unless it is there already: the first writer's settings and versions stay."""
    path = cell.folder / "cell.yaml"
    if path.exists():
        return
    axes = dataclasses.asdict(cell.axes) | {"languages": list(cell.axes.languages)}
    document = {
        "id": cell.id,
        "family": cell.family,
        "root_key": cell.root_key,
        "axes": axes,
        "identity": cell.identity,
        "settings": plain(settings),
        "versions": dict(versions),
    }
    write_text(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def plain(settings: Any) -> Any:
    """Dataclasses, enums and tuples as dicts, strings and lists, ready for YAML, JSON and trackers."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return {field.name: plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
    if isinstance(settings, Mapping):
        return {str(key): plain(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [plain(value) for value in settings]
    return _value(settings)


def read_cell(folder: Path) -> Cell:
    """The cell of a folder. Raises UserError when cell.yaml cannot be understood."""
    try:
        document = yaml.load((folder / "cell.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
        axes = Axes(**(document["axes"] | {"languages": tuple(document["axes"]["languages"])}))
        return Cell(folder.name, folder, axes, document["identity"], document["family"], document["root_key"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / 'cell.yaml'}: cannot be read ({error}); remove the folder and train again"
        ) from None


def read_cells(workspace: Path) -> list[Cell]:
    """All cells of a workspace, in the order of their ids. Raises UserError when there are none."""
    found = [read_cell(path.parent) for path in sorted(workspace.glob("*/cell.yaml"))]
    if not found:
        raise UserError(f"{workspace}: no cells there; run python train.py first, or name another workspace=")
    return found


# --- status --------------------------------------------------------------------------------------------------------


def read_status(folder: Path) -> dict[str, Any]:
    """status.json as a dict {stage: {state, attempt, seconds, error, ...}}; empty when there is none or it is broken."""
    try:
        value = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def is_done(folder: Path, stage: str) -> bool:
    return bool(read_status(folder).get(stage, {}).get("state") == "done")


@contextmanager
def stage(folder: Path, name: str, outdates: str | None = None) -> Iterator[dict[str, Any]]:
    """Run a stage: recorded as running, then as done with its seconds, or as failed with its error, which is raised on.

    The dict handed out may be filled with facts that belong into the status, also into that of a failure. What the later
    stage `outdates` did before is forgotten."""
    if outdates:
        write_json(
            folder / "status.json", {key: value for key, value in read_status(folder).items() if key != outdates}
        )
    before = read_status(folder).get(name, {})
    facts: dict[str, Any] = {}
    entry = {"state": "running", "attempt": before.get("attempt", 0) + 1, "started": time.time()}
    _record(folder, name, entry)
    started = time.perf_counter()
    try:
        yield facts
    except BaseException as error:
        failed = {"state": "failed", "seconds": _seconds(started), "error": describe(error)}
        with suppress(PinchError):  # a full disk must not hide the error that is being raised
            _record(folder, name, entry | facts | failed)
        raise
    _record(folder, name, entry | {"state": "done", "seconds": _seconds(started)} | facts)


def _seconds(started: float) -> float:
    return round(time.perf_counter() - started, 3)


def _record(folder: Path, name: str, entry: dict[str, Any]) -> None:
    write_json(folder / "status.json", read_status(folder) | {name: entry})


def describe(error: BaseException) -> str:
    """One line for an error: its own words if it is one of ours, else its type and the first line of its message."""
    lines = str(error).strip().split("\n")
    if isinstance(error, PinchError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__


@contextmanager
def locked(cell: Cell) -> Iterator[bool]:
    """Hold the cell's lock, so that no two processes train it; hands out False when another process holds it.

    The lock lies beside the folders, under .locks/, and ends with the process that holds it."""
    path = cell.folder.parent / ".locks" / f"{cell.id}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise UserError(
            f"{path.parent}: cannot be written ({error.strerror}); choose another folder with root="
        ) from None
    try:
        yield True
    finally:
        lock.release()


# --- prompts -------------------------------------------------------------------------------------------------------


def prompts_digest(prompts: Iterable[Prompt]) -> str:
    """Digest of one language's prompts in their order: answers belong to exactly these."""
    return digest([to_line(prompt) for prompt in prompts], 12)


def store_prompts(workspace: Path, language: str, prompts: list[Prompt]) -> str:
    """Keep one language's prompts beside the cells, once per content; gives their digest."""
    name = prompts_digest(prompts)
    path = workspace / "prompts" / f"{language}-{name}.jsonl"
    if not path.exists():
        write_jsonl(path, prompts)
    return name


def load_prompts(workspace: Path, language: str, name: str) -> list[Prompt]:
    """The prompts kept under a digest."""
    return read_jsonl(workspace / "prompts" / f"{language}-{name}.jsonl", lambda row: Prompt(**row))


def store_lexicon(workspace: Path, lexicon: Mapping[str, Iterable[str]] | None) -> str | None:
    """Keep a corpus' word lists (language -> closed vocabulary), by which very short answers are told apart."""
    if not lexicon:
        return None
    words = {code: sorted(lexicon[code]) for code in sorted(lexicon)}
    name = digest(words, 12)
    path = workspace / "prompts" / f"lexicon-{name}.json"
    if not path.exists():
        write_json(path, words)
    return name


def load_lexicon(workspace: Path, name: str | None) -> dict[str, frozenset[str]]:
    """The word lists kept under a digest; empty for None."""
    if name is None:
        return {}
    words = json.loads((workspace / "prompts" / f"lexicon-{name}.json").read_text(encoding="utf-8"))
    return {code: frozenset(entries) for code, entries in words.items()}


def answered(cell: Cell) -> dict[str, str]:
    """Languages the cell has complete answers in, with the digest of the prompts they answer."""
    entry = read_status(cell.folder).get("generate", {})
    digests: dict[str, str] = entry.get("prompts", {})
    return {code: name for code, name in digests.items() if os.path.exists(cell.answers_path(code))}
