"""The process that measures: `work(jobs, ...)` runs one job after the other and tells what it finds, row by row.

Event: {"kind": "machine", ...}; {"kind": "begin" | "end", "job"}; {"kind": "row", "job", ...}, with "error" where an arm
failed; {"kind": "failed", "job", "error"} where the whole job did. As a command it reads its orders from its first argument,
as JSON, and prints events as JSON, one a line; what libraries print goes to standard error.
"""

import importlib.metadata
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gpu import answers, cells, checks, documents, peers
from gpu.cells import Tell
from gpu.setting import Setting, setting

Event = dict[str, Any]
Job = tuple[str, str]
"""Part and model."""

PARTS: dict[str, Callable[[str, Setting, Tell], None]] = {
    "lora": cells.lora,
    "long": cells.long,
    "full": cells.full,
    "losses": cells.losses,
    "check": checks.check,
    "answers": answers.answers,
    "attention": documents.documents,
    "peers": peers.peers,
    "compile": cells.compiling,
}

BROKEN = 3
"""Exit code when the device does not work any more, which another process may mend."""


def work(jobs: Sequence[Job], small: bool, peak: float | None, send: Callable[[Event], None]) -> int:
    """Run the jobs; gives the exit code."""
    here = setting(small, peak)
    send({"kind": "machine", **machine(here)})
    for number, (part, model) in enumerate(jobs):
        send({"kind": "begin", "job": number})
        started = time.monotonic()
        try:
            PARTS[part](model, here, lambda row, number=number: send({"kind": "row", "job": number, **row}))
        except Exception as error:
            words = f"{type(error).__name__}: {str(error).split(chr(10))[0]}"
            send({"kind": "failed", "job": number, "error": words})
        send({"kind": "end", "job": number, "seconds": time.monotonic() - started})
        if here.broken():
            return BROKEN
        here.forget()
    return 0


def machine(here: Setting) -> dict[str, Any]:
    """What the numbers hang on."""
    packages = ("torch", "transformers", "peft", "pytorch-lightning", "triton", "trl", "flash-attn", "liger-kernel")
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    device = platform.processor() or "CPU"
    memory = None
    if here.on_gpu:
        device = torch.cuda.get_device_name(here.device)
        memory = torch.cuda.get_device_properties(here.device).total_memory
    precision = str(here.dtype).removeprefix("torch.")
    return {
        "device": device, "memory": memory, "peak": here.peak, "precision": precision, "cuda": torch.version.cuda,
        "python": platform.python_version(), "packages": found, "small": here.small, "warm": here.warm,
        "steps": here.steps, "batch": here.batch,
    }  # fmt: skip


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders = json.loads(sys.argv[1])
    given = [(part, model) for part, model in orders["jobs"]]
    raise SystemExit(
        work(given, orders["small"], orders["peak"], lambda event: print(json.dumps(event), file=out, flush=True))
    )
