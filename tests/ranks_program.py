"""What the ranks of a cell do in tests: python ranks_program.py FOLDER SCENARIO ...

Every scenario runs in a fresh group of processes, forked from this one, which has the imports. FOLDER/model holds a tiny
model; what a scenario makes goes to FOLDER/<case>, how its ranks ended to FOLDER/<scenario>.json.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from pinch import jobs, models, packing, train, tuning
from pinch.config import (
    DataConfig,
    DataSource,
    DType,
    GenerationConfig,
    LanguagesConfig,
    LossUnit,
    Method,
    MixtureConfig,
    ModelConfig,
    ModelSource,
    Packing,
    Strategy,
    TrackingConfig,
    TrackingMode,
    TrainConfig,
    TrainerConfig,
    TuningConfig,
)
from pinch.errors import UserError
from pinch.ranks import Ranks, joined
from pinch.records import Example
from tiny import ASK, LANGUAGES, WORDS, make_examples

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A tuning that is done by one rank and by several, which must come out alike."""

    changes: dict[str, Any] = field(default_factory=dict)
    spread: bool = False
    dtype: DType = DType.fp32
    lr: float = 1e-2

    @property
    def settings(self) -> TuningConfig:
        # some gradients are longer than clip and some are not: with Adam, their scale would not matter otherwise
        return TuningConfig(**{"epochs": 2, "batch_size": 8, "warmup": 1, "rank": 4, "clip": 4.5} | self.changes)


UNTUNED = TuningConfig(method=Method.none)
FULL: dict[str, Any] = {"method": Method.full}
CASES = {
    "lora": Case(),
    "example": Case({"loss_unit": LossUnit.example, "micro_batch": 3, "packing": Packing.padded}),
    "full": Case(FULL, lr=1e-3),
    "spread": Case(spread=True),
    "spread-micro": Case({"micro_batch": 3, "gradient_checkpointing": True}, spread=True),
    "spread-full": Case(FULL | {"packing": Packing.padded, "weight_decay": 0.1}, spread=True, lr=1e-3),
    "spread-half": Case(spread=True, dtype=DType.bf16),
    "spread-full-half": Case(FULL | {"gradient_checkpointing": True}, spread=True, dtype=DType.bf16, lr=1e-3),
}
FEW = {
    "few": Case({"batch_size": 2, "epochs": 1}),
    "spread-few": Case({"batch_size": 2, "epochs": 1}, spread=True),
}


def load(folder: Path, dtype: DType = DType.fp32) -> Any:
    return models.load(ModelConfig(source=ModelSource.hf, path=str(folder), dtype=dtype), str(folder), CPU)


def tune(
    loaded: Any, case: Case, folder: Path, ranks: Ranks, examples: list[Example] | None = None, seed: int = 0
) -> tuning.TuningFacts:
    told: list[tuple[int, int]] = []
    facts = tuning.tune(
        loaded,
        examples or make_examples(20),
        case.settings,
        lr=case.lr,
        seed=seed,
        folder=folder,
        logger=None,
        progress=lambda *now: told.append(now),
        ranks=replace(ranks, spread_on=CPU) if case.spread and ranks.world > 1 else ranks,
    )
    assert told == [(step, facts.steps) for step in range(1, facts.steps + 1)]
    return facts


def settings_of(root: Path, **changes: Any) -> TrainConfig:
    """A cell under `root`, of the tiny model and the corpus beside it."""
    corpus, prompts, model = (str(root.parent / name) for name in ("corpus.jsonl", "prompts.jsonl", "model"))
    given: dict[str, Any] = {
        "model": ModelConfig(source=ModelSource.hf, path=model, lora_lr=1e-2),
        "data": DataConfig("mine", DataSource.jsonl, corpus, prompts),
        "languages": LanguagesConfig(tuning=["en", "es"], evaluation=list(LANGUAGES)),
        "mixture": MixtureConfig(fraction=0.5),
        "tuning": TuningConfig(epochs=2, batch_size=8, warmup=1, rank=4),
        "generation": GenerationConfig(max_new_tokens=6),
        "tracking": TrackingConfig(mode=TrackingMode.csv),
        "root": str(root),
    }
    return TrainConfig(**given | changes)


def run(root: Path, ranks: Ranks, strategy: Strategy = Strategy.ddp, **changes: Any) -> bool:
    job = jobs.prepare(settings_of(root, trainer=TrainerConfig(strategy=strategy, devices=2), **changes))
    return train.run(job, lambda what, share: None, ranks)


def write_corpus(folder: Path) -> None:
    """corpus.jsonl, 16 ids in three languages, and prompts.jsonl, 6 others."""
    names = {"corpus": range(16), "prompts": range(16, 22)}
    for file, numbers in names.items():
        rows = [
            {"id": f"e{number}", "language": code, "instruction": ASK[code].format(f"{words[number % 10]} {number}")}
            | ({"response": " ".join(words[: 1 + number % 4])} if file == "corpus" else {})
            for number in numbers
            for code, words in WORDS.items()
        ]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


# --- scenarios -----------------------------------------------------------------------------------------------------


def small(ranks: Ranks, folder: Path) -> None:
    """The parts of a group, by hand; rank r has r + 1 in its gradients."""
    assert ranks.gather(ranks.rank * 10) == [0, 10]
    assert ranks.sum(1.5, ranks.rank) == [3.0, 1.0]
    assert ranks.agree(lambda: ["decided by", ranks.rank]) == ["decided by", 0]
    both, one, none = (torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(3))
    half = torch.nn.Parameter(torch.zeros(5, dtype=torch.bfloat16))
    for weight in (both, half):
        weight.grad = torch.full_like(weight, ranks.rank + 1)
    if ranks.rank == 1:
        one.grad = torch.full_like(one, 7)
    ranks.sum_gradients([both, half, one, none])
    assert torch.equal(both.grad, torch.full((2, 3), 3.0))
    assert torch.equal(half.grad, torch.full((5,), 3.0, dtype=torch.bfloat16))
    assert torch.equal(one.grad, torch.full((2, 3), 7.0))
    assert none.grad is None


def equal(ranks: Ranks, folder: Path) -> None:
    for name, case in CASES.items():
        loaded = load(folder / "model", case.dtype)
        before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
        tune(loaded, case, folder / name, ranks)
        after = loaded.model.state_dict()
        assert all(type(tensor) is torch.Tensor and torch.equal(tensor, before[name]) for name, tensor in after.items())


def few(ranks: Ranks, folder: Path) -> None:
    for name, case in FEW.items():
        tune(load(folder / "model"), case, folder / name, ranks)


def refused(ranks: Ranks, folder: Path) -> None:
    """What goes wrong on one rank, or on all, is said by all."""
    said: dict[str, str] = {}

    def attempt(name: str, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:
            said[name] = f"{type(error).__name__}: {error}"

    def fail() -> None:
        raise ValueError("odd")

    def disk() -> None:
        """What was the reason goes along: it decides whether to try again."""
        try:
            ranks.agree(full)
        except UserError as error:
            raise UserError(f"{error} {error.__cause__!r}") from None

    def full() -> None:
        raise UserError("disk") from OSError(28, "full")

    def scalar() -> Any:
        loaded = load(folder / "model")
        loaded.model.model.layers[0].register_parameter(
            "odd", torch.nn.Parameter(torch.tensor(1.0), requires_grad=False)
        )
        return loaded

    def no_layers() -> Any:
        loaded = load(folder / "model")
        loaded.model._no_split_modules = None
        return loaded

    def window() -> Any:
        return load(folder / "mistral")

    spread = Case(spread=True)
    for name, case in (("number", Case()), ("spread number", spread)):
        loaded, examples = broken(folder)
        attempt(name, lambda loaded=loaded, case=case, rows=examples: tune(loaded, case, folder / "x", ranks, rows))
    attempt("seeds", lambda: tune(load(folder / "model"), Case(), folder / "x", ranks, seed=ranks.rank))
    attempt("scalar", lambda: tune(scalar(), spread, folder / "x", ranks))
    attempt("layers", lambda: tune(no_layers(), spread, folder / "x", ranks))
    attempt("window", lambda: tune(window(), Case({"packing": Packing.packed}, spread=True), folder / "x", ranks))
    attempt("still", lambda: tune(load(folder / "model"), replace(spread, lr=1e-60), folder / "x", ranks))
    attempt("odd", lambda: ranks.agree(fail))
    attempt("disk", disk)
    attempt("cells", lambda: run(folder / "different", ranks, seed=ranks.rank))
    attempt("padded", lambda: said.update(padded=tune(window(), spread, folder / "padded", ranks).packing))
    (folder / f"said-{ranks.rank}.json").write_text(json.dumps(said))


def broken(folder: Path) -> tuple[Any, list[Example]]:
    """A model and examples of which one has a loss that is no number."""
    loaded = load(folder / "model")
    examples = [replace(example, response="a") for example in make_examples(20)]
    examples[7] = Example("odd", "es", "What is red?", "%")
    place = loaded.frame.encode(examples[7], 200).ids[-2]
    with torch.no_grad():
        loaded.model.get_input_embeddings().weight[place] = float("nan")
    loaded.model.lm_head.weight = torch.nn.Parameter(loaded.model.lm_head.weight.nan_to_num(), requires_grad=False)
    return loaded, examples


def skipping(ranks: Ranks, folder: Path) -> None:
    """Two cells, of which rank 1 sees the first as done and, when it is, as not done."""
    said = []
    for blind in (True, False):
        if ranks.rank == 1:
            jobs.Job.done = jobs.Job.tuned = lambda job, blind=blind: blind
            jobs.Job.unanswered = lambda job: {}
        said.append(run(folder / "cell", ranks))
    said.append(run(folder / "cell", ranks, Strategy.fsdp, seed=1))
    said.append(run(folder / "cell", ranks, tuning=UNTUNED))
    assert said == [True] * 4


def dying(ranks: Ranks, folder: Path, end: Callable[[], None]) -> None:
    """Rank 1 does not live through the second step."""
    pack, calls = packing.pack, [0]

    def counting(*arguments: Any) -> packing.Batch:
        calls[0] += 1
        if calls[0] == 3 and ranks.rank == 1:  # the first is the self-test
            end()
        return pack(*arguments)

    packing.pack = counting
    run(folder, ranks)


def fail() -> None:
    raise MemoryError("odd")


SCENARIOS: dict[str, tuple[int, Callable[[Ranks, Path], None]]] = {
    "small": (2, small),
    "equal": (2, equal),
    "few": (3, few),
    "refused": (2, refused),
    "skipping": (2, skipping),
    "raising": (2, lambda ranks, folder: dying(ranks, folder / "raising", fail)),
    "killed": (2, lambda ranks, folder: dying(ranks, folder / "killed", lambda: os.kill(os.getpid(), signal.SIGKILL))),
}


def start(name: str, rank: int, folder: Path) -> int:
    """Fork a rank; gives its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        world, scenario = SCENARIOS[name]
        with joined(rank, world, folder / f"{name}.store", False) as ranks:
            scenario(ranks, folder)
        code = 0
    except BaseException as error:
        traceback.print_exc()
        (folder / f"{name}-{rank}.txt").write_text(f"{type(error).__name__}: {error}")
    finally:
        sys.stderr.flush()
        os._exit(code)


def ends(pids: list[int], patience: float = 60) -> list[int]:
    """How the ranks ended; those that are left long after one has failed are killed."""
    codes: dict[int, int] = {}
    deadline = None
    while len(codes) < len(pids):
        for pid in pids:
            if pid not in codes and (state := os.waitpid(pid, os.WNOHANG))[0]:
                codes[pid] = os.waitstatus_to_exitcode(state[1])
        if deadline is None and any(codes.values()):
            deadline = time.monotonic() + patience
        if deadline is not None and time.monotonic() > deadline:
            for pid in set(pids) - set(codes):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return [codes[pid] for pid in pids]


LATE = (
    "peft", "torch.distributed.fsdp", "torch.distributed.tensor", "torch.utils.checkpoint", "pytorch_lightning.loggers",
    "transformers.models.llama.modeling_llama", "transformers.models.mistral.modeling_mistral", "transformers.generation",
)  # fmt: skip
"""What the scenarios would import, each process for itself."""

if __name__ == "__main__":
    torch.set_num_threads(1)
    for module in LATE:
        importlib.import_module(module)
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        began = time.monotonic()
        codes = ends([start(name, rank, folder) for rank in range(SCENARIOS[name][0])])
        (folder / f"{name}.json").write_text(json.dumps(codes))
        print(f"{name}: {codes} {time.monotonic() - began:.1f} s", flush=True)
