"""What answering costs with Pinch's own decoding and with transformers' `generate`, for answers of uneven lengths.

    python benchmarks/answers.py [--rounds 3] [--size 5.3M] [--prompts 128] [--out answers]

Prints Markdown tables and writes <out>.json and <out>.md. One thread; every arm in every round, in shuffled order, each in a
fork of its own (arms.py). The peers answer in batches as the prompts come, of 16 and of 64, and compute every row until the
longest answer of its batch has ended; every arm must give the same tokens.

The model has random weights, and a rule for how long it speaks: a prompt's last word says how many tokens its answer has,
every token of an answer says how many are still to come, and the model chooses among the tokens that say the right number.
So lengths are log-normal (median 48, at most 192) and the same in every arm, and what is chosen depends on every weight and
on the whole cache.
"""

import argparse
import random
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src")]

import arms as measuring  # noqa: E402 - after the path is set
from arms import Claim, Measured, Report  # noqa: E402

measuring.single_thread()

import made  # noqa: E402
import peers  # noqa: E402
import torch  # noqa: E402

from pinch.config import GenerationConfig  # noqa: E402
from pinch.generation import generate  # noqa: E402
from pinch.models import Loaded  # noqa: E402
from pinch.records import Prompt  # noqa: E402

SEED = 0
MEDIAN, SIGMA, LONGEST = 48, 0.75, 192
"""Of the lengths of answers, in tokens."""
ASKED = (8, 48)
"""Words of a prompt, drawn evenly."""
STATIC = 16
"""Rows of a peer's usual batch."""
FASTER = {"generate 16": 1.35}
"""CPU time of a peer over that of Pinch with the same size of batch, at least."""

Arm = Callable[[], list[list[int]]]


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="5.3M", help=", ".join(made.SIZES))
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--longest", type=int, default=LONGEST, help="answer, in tokens")
    parser.add_argument("--out", type=Path, default=Path("answers"))
    asked = parser.parse_args()
    peers.hush()
    settings = {"rounds": asked.rounds, "size": asked.size, "prompts": asked.prompts, "longest": asked.longest}
    report = Report("Answers of uneven lengths", settings)
    model = made.loaded(asked.size, SEED)
    rule = Rule(len(model.tokenizer), asked.longest)
    model.model.register_forward_hook(rule.apply, with_kwargs=True)
    prompts, lengths = some_prompts(rule, asked.prompts)
    for arm in arms(model, prompts[:2], asked.longest).values():
        arm()  # what is loaded at first use counts for nobody
    taken = measuring.interleaved(arms(model, prompts, asked.longest), asked.rounds)
    told(report, taken, lengths)
    report.write(asked.out)


@dataclass(frozen=True)
class Rule:
    """Which tokens a model may choose: behind the special ones, `width` of them for every number of tokens to come."""

    vocabulary: int
    longest: int

    @property
    def width(self) -> int:
        return (self.vocabulary - len(made.SPECIAL)) // self.longest

    def token(self, to_come: int, which: int) -> int:
        return len(made.SPECIAL) + to_come * self.width + which

    def apply(self, net: torch.nn.Module, given: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
        """A forward hook: leaves the tokens that the rule allows behind the last one; the end where nothing is to come."""
        ids = options["input_ids"]
        said = ids[:, -1] if ids.shape[1] == 1 else ids[:, -2]  # behind a prompt's last word the template has one token
        to_come = torch.div(said - len(made.SPECIAL), self.width, rounding_mode="floor") - int(ids.shape[1] == 1)
        first = (len(made.SPECIAL) + to_come * self.width)[:, None]
        places = torch.arange(output.logits.shape[-1])[None]
        speaks = (to_come >= 0)[:, None]
        allowed = torch.where(speaks, (places >= first) & (places < first + self.width), places == 0)
        output.logits[:, -1].masked_fill_(~allowed, float("-inf"))


def some_prompts(rule: Rule, number: int) -> tuple[list[Prompt], list[int]]:
    """Prompts, and the lengths of their answers without the end."""
    dice = random.Random(SEED)
    prompts, lengths = [], []
    for place in range(number):
        length = made.uneven(dice, min(MEDIAN, rule.longest / 4), SIGMA, 1, rule.longest)
        ids = [dice.randrange(len(made.SPECIAL), rule.vocabulary) for _ in range(dice.randint(*ASKED))]
        ids.append(rule.token(length - 1, dice.randrange(rule.width)))
        prompts.append(Prompt(f"p{place}", "en", " ".join(f"w{token - len(made.SPECIAL)}" for token in ids)))
        lengths.append(length)
    return prompts, lengths


def arms(model: Loaded, prompts: list[Prompt], longest: int) -> dict[str, Arm]:
    """Token ids of the answers, without the end, in the order of the prompts."""
    limit = longest + 1  # the end is a token, too

    def pinch(batch: int) -> list[list[int]]:
        settings = GenerationConfig(max_new_tokens=limit, batch_size=batch)
        answers = generate(model, prompts, settings, lambda done: None)
        return [model.tokenizer(answer.text)["input_ids"] for answer in answers]

    def library(batch: int) -> list[list[int]]:
        model.tokenizer.padding_side = "left"
        found: list[list[int]] = []
        for start in range(0, len(prompts), batch):
            texts = [model.frame.render(prompt.instruction) for prompt in prompts[start : start + batch]]
            given = model.tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
            made_up = model.model.generate(**given, do_sample=False, max_new_tokens=limit)
            rows = made_up[:, given["input_ids"].shape[1] :].tolist()
            found += [row[: row.index(0)] if 0 in row else row for row in rows]
        return found

    return {
        "pinch 16": lambda: pinch(STATIC),
        "pinch 64": lambda: pinch(64),
        "generate 16": lambda: library(STATIC),
        "generate 64": lambda: library(64),
    }


def told(report: Report, taken: dict[str, list[Measured]], lengths: list[int]) -> None:
    """One table of all arms, one of the claims. Ends the benchmark where an arm's answers are other ones."""
    for name, runs in taken.items():
        for run in runs:
            if [len(row) for row in run.result] != lengths:
                raise SystemExit(f"{name}: answers have lengths that they should not have")
            if run.result != taken["pinch 16"][0].result:
                raise SystemExit(f"{name}: answers differ from those of pinch 16")
    middle = statistics.median(lengths)
    report.say(
        f"{len(lengths)} answers of {min(lengths)} to {max(lengths)} tokens, median {middle:.0f}; equal in all arms.\n"
    )
    rows = []
    for name, runs in taken.items():
        cpu, wall = statistics.median(run.cpu for run in runs), statistics.median(run.wall for run in runs)
        peak = statistics.median(run.peak for run in runs) / 2**20
        over = measuring.ratio([run.cpu for run in runs], [run.cpu for run in taken["pinch 16"]])
        rows.append([name, f"{cpu:.2f}", f"{wall:.2f}", f"{sum(lengths) / cpu:.0f}", str(over), f"{peak:.0f}"])
    header = ["arm and batch", "CPU s", "wall s", "tokens / CPU s", "CPU s over pinch 16", "peak MiB above loaded"]
    report.table(header, rows)
    pairs = [("generate 16", "pinch 16"), ("generate 64", "pinch 64"), ("generate 16", "pinch 64")]
    report.claims([claim(taken, theirs, ours) for theirs, ours in pairs])
    report.facts["arms"] = {name: [vars(run) | {"result": None} for run in runs] for name, runs in taken.items()}


def claim(taken: dict[str, list[Measured]], theirs: str, ours: str) -> Claim:
    over = measuring.ratio([run.cpu for run in taken[theirs]], [run.cpu for run in taken[ours]])
    return Claim(f"CPU time of {theirs} over that of {ours}", over, at_least=FASTER.get(theirs))


if __name__ == "__main__":
    main()
