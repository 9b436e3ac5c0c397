"""How much of the judge's prompts a server with a prefix cache has to compute: what questions share, and in which order.

    python benchmarks/judge_prefixes.py [--cells 40] [--prompts 200] [--references 1]

No server is asked: the questions of a made-up grid (every cell against its references, both orders) are rendered and put
through a model of a cache that keeps blocks of 16 tokens by their prefix, least recently used out first. A token is taken to
be 4 bytes. The arms: one boundary over all texts, asked cell by cell; the same in the order they are asked in today; a
boundary for every text in the old order; and in today's. `under way`: questions that are computed at once and can share
nothing with each other.
"""

import argparse
import json
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src")]

from pinch.judges.questions import MARKS, Template, load, parse  # noqa: E402
from pinch.judging import in_turn  # noqa: E402
from pinch.records import Pair  # noqa: E402

TOKEN, BLOCK = 4, 16
"""Bytes of a token, tokens of a block."""

CACHES = {"no bound": None, "4,096 blocks": 4096, "1,024 blocks": 1024}
UNDER_WAY = (1, 16)
LENGTHS = {"instruction": 60, "answer": 250}
"""Median tokens of the made-up texts, log-normal with sigma 0.75, as instruction data are."""


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--references", type=int, default=1)
    parser.add_argument("--prompt", default="pairwise", choices=("pairwise", "labels"))
    parser.add_argument("--out", type=Path, default=Path("judge_prefixes.json"))
    chosen = parser.parse_args()
    pairs = grid(chosen.cells, chosen.prompts, chosen.references)
    today, before = load(chosen.prompt), one_boundary(chosen.prompt)
    rows = []
    print("| boundaries, order | under way | cache | tokens computed | saved |\n|---|---|---|---|---|")
    for name, template, ordered in (
        ("one, cell by cell", before, False),
        ("one, by prompt", before, True),
        ("each text its own, cell by cell", today, False),
        ("each text its own, by prompt", today, True),
    ):
        for under_way in UNDER_WAY:
            turned = list(in_turn({str(n): p for n, p in enumerate(pairs)}, under_way).values()) if ordered else pairs
            for cache, size in CACHES.items():
                computed, total = prefill(asked(template, turned), size, under_way)
                print(f"| {name} | {under_way} | {cache} | {computed:,} | {100 * (1 - computed / total):.1f} % |")
                row = {"arm": name, "under_way": under_way, "cache": cache, "computed": computed, "tokens": total}
                rows.append(row)
    chosen.out.write_text(json.dumps({"questions": len(pairs), "rows": rows}, indent=1) + "\n")


def one_boundary(name: str) -> Template:
    """The prompt with the same boundary at every text."""
    text = resources.files("pinch.judges").joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
    for mark in MARKS:
        text = text.replace(f"{{{mark}}}", "{boundary}")
    return parse(text, name)


def grid(cells: int, prompts: int, references: int) -> list[Pair]:
    """Every cell's answers against those of each reference, cell by cell."""
    draw = random.Random(0)

    def text(kind: str) -> str:
        size = int(TOKEN * LENGTHS[kind] * draw.lognormvariate(0, 0.75))
        return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz    ", k=max(size, 8)))

    instructions = [text("instruction") for _ in range(prompts)]
    shared = [[text("answer") for _ in range(prompts)] for _ in range(references)]
    found = []
    for _ in range(cells):
        given = [text("answer") for _ in range(prompts)]
        for reference in shared:
            for number, (own, theirs) in enumerate(zip(given, reference, strict=True)):
                both = ((own, theirs), (theirs, own))
                found += [Pair(f"p{number}", "en", instructions[number], *order) for order in both]
    return found


def asked(template: Template, pairs: Sequence[Pair]) -> Iterator[bytes]:
    for pair in pairs:
        question = template.ask(pair)
        yield f"{question.system}\n\n{question.user}".encode()


def prefill(questions: Iterable[bytes], size: int | None, under_way: int) -> tuple[int, int]:
    """Tokens that are computed, and all tokens. A question's blocks are there for others once `under_way` - 1 later
    ones have begun."""
    kept: OrderedDict[int, None] = OrderedDict()
    open_: deque[list[int]] = deque()
    computed = total = 0
    for question in questions:
        while len(open_) >= under_way:
            keep(kept, open_.popleft(), size)
        blocks = list(chain(question))
        known = next((n for n, block in enumerate(blocks) if block not in kept), len(blocks))
        tokens = -(-len(question) // TOKEN)
        total += tokens
        computed += tokens - known * BLOCK
        open_.append(blocks)
    return computed, total


def chain(question: bytes) -> Iterator[int]:
    """The whole blocks of a question, each with all before it."""
    step, before = TOKEN * BLOCK, 0
    for start in range(0, len(question) - step + 1, step):
        before = hash((before, question[start : start + step]))
        yield before


def keep(kept: OrderedDict[int, None], blocks: Sequence[int], size: int | None) -> None:
    """Blocks as just used, the first of a question as the very last to go, as servers free them."""
    for block in reversed(blocks):
        kept[block] = None
        kept.move_to_end(block)
    while size is not None and len(kept) > size:
        kept.popitem(last=False)


if __name__ == "__main__":
    main()
