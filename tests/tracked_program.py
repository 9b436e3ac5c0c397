"""A process that tracks cells as train.py and evaluate.py do, without training any: for test_wandb.

    python tests/tracked_program.py ROOT ORDER ...

Orders: train-N, fail-N: open the run of the cell with seed N, log five steps, finish it (as failed). pause-N: as train-N,
but after three steps say so and wait for a line. score-N: what evaluate.py sends. analysis: what analyze.py sends.
Every order ends with a line: what it gave.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

from pinch import cells, tracking
from pinch.config import TrackingConfig, TrackingMode, TrainConfig
from pinch.records import Answer, Item, Prompt, write_json, write_jsonl

TIMEOUT = 6
"""Seconds; wandb by itself would wait for minutes."""


def cell(root: Path, seed: int) -> tuple[cells.Cell, TrainConfig]:
    """A cell with two prompts in two languages; what it has been through is for `tuned` and `judged` to write."""
    settings = TrainConfig(root=str(root), seed=seed)
    settings.tracking = dataclasses.replace(TrackingConfig(), mode=TrackingMode.wandb, timeout=TIMEOUT, group="pairs")
    made = cells.define(settings, "model", "corpus", {"a": "en", "b": "fi"}, 1)
    cells.write_cell(made, settings, {})
    return made, settings


def tuned(one: cells.Cell) -> None:
    """What the stages leave behind."""
    lines = ["step,loss,lr,supervised_tokens,supervised_en", *(f"{n},{1 / n:.6g},0.1,5,5" for n in range(1, 6))]
    (one.folder / "train_log.csv").write_text("\n".join(lines) + "\n")
    digests = {}
    for code in ("en", "fi"):
        prompts = [Prompt(f"p{n}", code, f"Say {n}") for n in range(2)]
        digests[code] = cells.store_prompts(one.folder.parent, code, prompts)
        write_jsonl(one.answers_path(code), [Answer(p.id, code, f"{code} <{p.id}>", 2, True) for p in prompts])
    tune = {"state": "done", "attempt": 1, "started": 1.0, "steps": 5, "seconds": 2.5, "final_loss": 0.2}
    write_json(one.folder / "status.json", {"tune": tune, "generate": {"state": "done", "prompts": digests}})


def judged(one: cells.Cell) -> None:
    known = {"exact": None, "chrf": None, "answered_in": "en", "right_language": True}
    items = [Item(one.id, "reference", "base", "x", "en", f"p{n}", "win", 1.0, **known) for n in range(2)]
    write_jsonl(one.items_path("reference"), items)


def train(root: Path, seed: int, middle: Callable[[], None] = lambda: None) -> str:
    one, settings = cell(root, seed)
    with tracking.track(one, settings, settings.tracking) as run:
        for step in range(1, 6):
            run.logger.log_metrics({"train/loss": 1 / step, "train/lr": 0.1}, step)
            if step == 3:
                middle()
        tuned(one)
    return "trained"


def fail(root: Path, seed: int) -> str:
    one, settings = cell(root, seed)
    try:
        with tracking.track(one, settings, settings.tracking) as run:
            run.logger.log_metrics({"train/loss": 1.0, "train/lr": 0.1}, 1)
            raise ValueError("broken")
    except ValueError:
        return "failed"
    return "never"


def pause() -> None:
    print("paused", flush=True)
    sys.stdin.readline()


def score(root: Path, seed: int) -> str:
    one, settings = cell(root, seed)
    judged(one)
    scores = {"score/en": 60.0 + seed, "score/seen": 55.0, "score/judge": "reference"}
    ours = TrackingConfig(timeout=settings.tracking.timeout)  # evaluate.py's own, which names no group
    return str(tracking.add_scores(one, scores, ours))


def analysis(root: Path) -> str:
    from PIL import Image

    folder = root / "study" / "analysis"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(folder / "curve.png")
    (folder / "curve.svg").write_text("<svg/>")
    rows = [
        {"cell": f"c{n}", "judge": "reference", "score": 50.0 + n, "low": float("nan"), "seed": None} for n in range(3)
    ]
    findings = [{"key": "pinch", "title": "A pinch", "text": "It helps.", "points": ("n = 3",)}]
    settings = TrackingConfig(mode=TrackingMode.wandb, timeout=TIMEOUT)
    pictures = [folder / "curve.png", folder / "curve.svg"]
    tracking.publish_analysis(root / "study", settings, rows, pictures, findings)
    return "published"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for order in sys.argv[2:]:
        word, _, number = order.partition("-")
        if word == "analysis":
            print(analysis(place), flush=True)
        elif word == "pause":
            print(train(place, int(number), pause), flush=True)
        else:
            print({"train": train, "fail": fail, "score": score}[word](place, int(number)), flush=True)
