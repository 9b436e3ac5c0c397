"""Results of benchmarks/gpu.py as Markdown: one table per part."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Show = Callable[[Any], str]


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _gib(value: float) -> str:
    return f"{value / 2**30:.2f}"


def _few(value: float) -> str:
    return f"{value:.2g}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


TUNING: dict[str, tuple[str, Show]] = {
    "tokens/s": ("tokens/s", _number),
    "times": ("times the first", lambda value: f"{value:.2f}"),
    "mfu": ("MFU", _share),
    "peak": ("peak GiB", _gib),
    "weights": ("of it weights", _gib),
    "rest": ("activations, logits", _gib),
    "micro_batch": ("micro-batch", str),
    "apart": ("losses apart", _few),
}
COLUMNS: dict[str, dict[str, tuple[str, Show]]] = {
    **dict.fromkeys(("lora", "long", "full", "losses", "peers", "compile"), TUNING),
    "check": {
        "difference": ("logits apart", _few),
        "allowed": ("allowed", _few),
        "gradients": ("gradients apart", _few),
        "kernel": ("attention", str),
    },
    "answers": {
        "answers/s": ("answers/s", lambda value: f"{value:.1f}"),
        "tokens/s": ("tokens/s", _number),
        "times": ("times the first", lambda value: f"{value:.2f}"),
        "equal": ("equal answers", _share),
        "mean": ("tokens per answer", lambda value: f"{value:.0f}"),
        "cut": ("cut off", _share),
        "peak": ("peak GiB", _gib),
    },
    "attention": {
        "heads": ("heads/key heads x size", str),
        "tokens": ("tokens", _number),
        "ms": ("ms", lambda value: f"{value:.2f}"),
        "error_of_fp32": ("error", _few),
    },
}
HEADINGS = {
    "lora": "LoRA, rank 16, examples of 20-512 tokens. MFU: 4 operations per weight and token",
    "long": "LoRA, examples of 20-1,024 tokens",
    "full": "Full fine-tuning. MFU: 6 operations per weight and token",
    "losses": "Losses, step by step",
    "check": "Packed against each example alone",
    "answers": "Greedy answers",
    "attention": "Attention inside documents, forward and backward, one layer",
    "peers": "Peers",
    "compile": "torch.compile",
}


def markdown(document: Mapping[str, Any]) -> str:
    """The whole page."""
    machine = document["machine"]
    lines = ["# Pinch on a GPU", ""]
    if machine:
        versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
        size = f"{_gib(machine['memory'])} GiB, " if machine["memory"] else ""
        peak = f"{machine['peak'] / 1e12:.0f} TFLOP/s at best, " if machine["peak"] else ""
        lines += [f"{machine['device']}, {size}{peak}{machine['precision']}; {versions}."]
        lines += [
            f"Random weights. {machine['batch']} examples per step; medians of {machine['steps']} steps after "
            f"{machine['warm']} others; tokens are those of examples, without padding."
        ]
        if machine["small"]:
            lines += ["", "**--small: the numbers mean nothing.**"]
    for part, columns in COLUMNS.items():
        rows = [row for row in document["rows"] if row["part"] == part]
        if rows:
            lines += ["", f"## {HEADINGS[part]}", "", *table(rows, columns)]
    for title, name in (("Left out", "skipped"), ("Failed", "failed")):
        if document[name]:
            lines += ["", f"## {title}", "", *(f"- {line}" for line in document[name])]
    if "seconds" in document:
        lines += ["", f"{document['seconds']:.0f} s in all."]
    return "\n".join(lines)


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, Show]]) -> list[str]:
    """Lines of a table; what a row does not have stays empty, and so does a column that no row has."""
    speeds: dict[str, float] = {}
    shown = []
    for row in rows:
        known = dict(row)
        if "tokens/s" in row:
            known["times"] = row["tokens/s"] / speeds.setdefault(row["model"], row["tokens/s"])
        shown.append(known)
    used = {key: column for key, column in columns.items() if any(row.get(key) is not None for row in shown)}
    lines = [f"| model | arm | {' | '.join(title for title, _ in used.values())} |", "|---" * (2 + len(used)) + "|"]
    for row in shown:
        cells = [show(row[key]) if row.get(key) is not None else "" for key, (_, show) in used.items()]
        words = next((f" ({key}: {row[key]})" for key in ("error", "skipped") if key in row), "")
        lines.append(f"| {row['model']} | {row['arm']}{words} | {' | '.join(cells)} |")
    return lines
