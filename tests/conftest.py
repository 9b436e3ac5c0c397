"""Fixtures shared by the torch tests: tiny model folders, made once per session. Everything heavy is imported late."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = {
    "test_doors",
    "test_experiments",
    "test_human_page",
    "test_ranks",
    "test_wandb",
    "test_wandb_doors",
    "test_page",
}
"""Modules whose tests take long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes get half of the list each, and take from each other at the end: so each half begins with tests that take
    long, and what is left at the end is short."""
    long = [item for item in items if item.path.stem in LONG]
    short = [item for item in items if item.path.stem not in LONG]
    middle = len(items) // 2 - len(long[::2])
    items[:] = [*long[::2], *short[:middle], *long[1::2], *short[middle:]]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """tiny_folder(kind): a random model of that kind (llama, qwen2, qwen3, gpt2, mistral) in a real folder."""
    from tiny import make_folder

    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            changes = {"sliding_window": 8} if kind == "mistral" else {}
            made[kind] = make_folder(tmp_path_factory.mktemp(kind), kind, **changes)
        return made[kind]

    return make


@pytest.fixture
def tiny_loaded(tiny_folder: Callable[[str], Path]) -> Callable[..., Any]:
    """tiny_loaded(kind, **settings): the loaded model of a tiny folder, on the CPU, a fresh one for every call."""
    import torch

    from pinch.config import ModelConfig, ModelSource
    from pinch.models import load

    def make(kind: str = "llama", **settings: Any) -> Any:
        folder = tiny_folder(kind)
        config = ModelConfig(source=ModelSource.hf, path=str(folder), **settings)
        return load(config, str(folder), torch.device("cpu"))

    return make


@pytest.fixture
def saved_networks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The networks that tuning saves from now on, as they were before."""
    from pinch import adapters

    kept: list[Any] = []
    save = adapters.save

    def keep(model: Any, *rest: Any) -> None:
        kept.append(adapters.network(model.train(False)))
        save(model, *rest)

    monkeypatch.setattr(adapters, "save", keep)
    return kept


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny tensors are fastest with one thread; only where torch is there already, which is slow to import."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
