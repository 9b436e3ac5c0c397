"""A corpus of 20 ids in four languages and 3 prompts in five, as files, with cells that look as if they had been run."""

import json
from pathlib import Path
from typing import Any

from pinch import cells
from pinch.config import DataConfig, DataSource, LanguagesConfig, Method, TrainConfig, TuningConfig
from pinch.jobs import Job
from pinch.records import Answer, write_json, write_jsonl

LANGUAGES = ("en", "fi", "ru", "sw")
ASKED = (*LANGUAGES, "et")
"""Languages with prompts; et has no examples."""


def data(folder: Path, **changes: Any) -> DataConfig:
    """Writes the files, if they are not there."""
    corpus, prompts = folder / "corpus.jsonl", folder / "prompts.jsonl"
    if not corpus.exists():
        _write(corpus, [_row(f"c{n}", code, response=f"{code} {n}") for n in range(20) for code in LANGUAGES])
        _write(prompts, [_row(f"p{n}", code, reference=f"{n}") for n in range(3) for code in ASKED])
    return DataConfig("mine", DataSource.jsonl, str(corpus), str(prompts), **changes)


def settings(folder: Path, over: tuple[str, ...] = ("en",), **changes: Any) -> TrainConfig:
    """A cell over these languages, the first its base; of none, the untuned model."""
    languages = LanguagesConfig(base=(over or ("en",))[0], tuning=list(over or ("en",)))
    known = {"data": data(folder), "languages": languages, "root": str(folder / "runs")}
    if not over:
        known["tuning"] = TuningConfig(method=Method.none)
    return TrainConfig(**known | changes)


def finish(job: Job, answered: tuple[str, ...] | None = None, **status: Any) -> None:
    """Write what a run leaves: weights, and answers in these languages (None: in all). `status` adds to its stages."""
    folder = job.cell.folder
    cells.write_cell(job.cell, job.settings, {})
    if not job.cell.untuned:
        (folder / "adapter").mkdir(exist_ok=True)
        (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    codes = tuple(job.prompts) if answered is None else answered
    for code in codes:
        write_jsonl(job.cell.answers_path(code), [Answer(p.id, code, "yes", 1, True) for p in job.prompts[code]])
        cells.store_prompts(folder.parent, code, job.prompts[code])
    tune = {"state": "done", "attempt": 1, "seconds": 5.0, "steps": 10}
    generate = {"state": "done", "attempt": 1, "seconds": 3.0, "prompts": {code: job.digests[code] for code in codes}}
    document = {"generate": generate | status.get("generate", {})}
    write_json(folder / "status.json", ({} if job.cell.untuned else {"tune": tune | status.get("tune", {})}) | document)


def _row(name: str, code: str, **more: str) -> dict[str, str]:
    return {"id": name, "language": code, "instruction": f"{code} asks {name}"} | more


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
