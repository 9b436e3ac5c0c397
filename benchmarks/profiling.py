"""Where the CPU time of tuning one cell with Pinch goes: once around the steps, once inside them (tuning.py --profile).

The kinds of work in a step are told from torch's own profile: by the operator's name, and for products of matrices by their
shapes, as a product that has the vocabulary as one of its sizes is the output layer's. Host work is the CPU time of the step
that lies in no operator. The profiler itself takes time, so shares are of the profiled run; the milliseconds are those of a
run without it.
"""

import statistics
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import arms
import peers
from arms import Report
from peers import Work

SKIPPED = 1
"""First steps that are not counted: the first one warms up, and checks that a weight changed."""

KINDS = {
    "attention": ("scaled_dot_product",),
    "spreading rows for attention": ("index_select", "index_copy"),
    "optimizer": ("_fused_adamw",),
    "clipping": ("_foreach", "linalg_vector_norm"),
    "loss": ("log_softmax", "nll_loss"),
    "embeddings": ("embedding",),
}
"""Parts of the names of operators."""
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::matmul", "aten::linear")


def tell(report: Report, title: str, work: Work) -> None:
    """One table: milliseconds and shares of a step."""
    plain = arms.forked(lambda: _timed(work)).result
    kinds = arms.forked(lambda: _profiled(work)).result
    step, whole = statistics.median(plain["steps"]), plain["whole"]
    total = sum(kinds.values())
    report.say(f"### Profile: {title}, {len(work.steps)} steps of {work.batch} examples, {work.tokens} tokens\n")
    rows = [
        [kind, f"{1000 * step * seconds / total:.1f}", f"{100 * seconds / total:.0f} %"]
        for kind, seconds in sorted(kinds.items(), key=lambda pair: -pair[1])
    ]
    report.table(["work in a step", "CPU ms", "share"], rows)
    around = max(0.0, whole - sum(plain["steps"]) * len(work.steps) / len(plain["steps"]))
    report.say(
        f"A step takes {1000 * step:.0f} CPU ms (median); before, between and behind them go {around:.2f} CPU s once.\n"
    )
    report.facts[f"profile {title}"] = {"seconds": kinds, **plain}


def _timed(work: Work) -> dict[str, Any]:
    """CPU seconds of every step but the first, and of the whole."""
    ends: list[float] = []
    began = time.process_time()
    peers.pinch(work, lambda step, steps: ends.append(time.process_time()))
    whole = time.process_time() - began
    return {"whole": whole, "steps": [later - end for end, later in pairwise(ends)]}


def _profiled(work: Work) -> dict[str, float]:
    """CPU seconds by kind of work, over all steps but the first."""
    from torch.profiler import ProfilerActivity, profile

    watch = profile(activities=[ProfilerActivity.CPU], record_shapes=True)
    began = 0.0
    ended = 0.0

    def progress(step: int, steps: int) -> None:
        nonlocal began, ended
        if step == SKIPPED:
            watch.__enter__()
            began = time.process_time()
        if step == steps:
            ended = time.process_time()
            watch.__exit__(None, None, None)

    peers.pinch(work, progress)
    vocabulary = work.model.model.config.vocab_size
    found: Counter[str] = Counter()
    for event in watch.key_averages(group_by_input_shape=True):
        if event.key.startswith(("aten::", "torch::")):
            found[kind(event.key, event.input_shapes, vocabulary)] += event.self_cpu_time_total / 1e6
    found["host work (Python, Lightning, autograd)"] = max(0.0, ended - began - sum(found.values()))
    return dict(found)


def kind(name: str, shapes: list[Any], vocabulary: int) -> str:
    """What an operator's time is spent for."""
    for word, parts in KINDS.items():
        if any(part in name for part in parts):
            return word
    sizes = [size for shape in shapes if isinstance(shape, (list, tuple)) for size in shape]
    if name in PRODUCTS:
        return "output layer" if vocabulary in sizes else "linear layers"
    return "loss" if vocabulary in sizes else "norms, activations, rotations, copies"
