"""Imports only point down: doors > flows > stages > edges > pure > shapes > facts."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

LAYERS = (
    ("facts", {"errors", "languages"}),
    ("shapes", {"config", "records", "stamps"}),
    ("pure", {"mixture", "scoring", "stats", "identify", "panels", "agreement", "diagnostics"}),
    (
        "edges",
        {
            "embedded",
            "corpora",
            "frames",
            "models",
            "refusals",
            "quantization",
            "memory",
            "cells",
            "ranks",
            "slots",
            "tracking",
            "alpaca",
        },
    ),
    (
        "stages",
        {
            "adapters",
            "attention",
            "packing",
            "learner",
            "course",
            "losses",
            "microbatch",
            "fitting",
            "tuning",
            "generation",
            "judges",
            "analysis",
        },
    ),
    ("of evaluate", {"references", "bench", "scoreboard", "rulings", "judging", "calls", "exchange", "audit"}),
    ("jobs", {"jobs"}),
    ("of sweeps", {"cellfile", "plan", "pool", "board", "showing"}),
    ("flows", {"train", "evaluate", "analyze"}),
    ("sweep", {"sweep"}),
    ("of other engines", {"engines"}),
    ("processes", {"worker"}),
    ("doors", {"explain", "composition", "experiments", "usage", "doors"}),
    ("a door of its own", {"translate"}),
    ("Hydra's way in", {"pinch_launcher"}),
)
RANK = {name: rank for rank, (_, names) in enumerate(LAYERS) for name in names}
HEAVY = {"wandb": {"tracking"}, "matplotlib": {"analysis"}}


def modules() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).as_posix() != "pinch/__init__.py")


def room(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[1]


def imported(path: Path) -> set[str]:
    """Dotted names of everything a file imports, at the top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_module_has_its_layer() -> None:
    rooms = {room(path) for path in modules()}
    assert rooms == set(RANK), "place new modules in LAYERS, take removed ones out"


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_down(path: Path) -> None:
    here = room(path)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "pinch" and len(parts) > 1 and parts[1] in RANK and parts[1] != here:
            assert RANK[parts[1]] <= RANK[here], f"{here} imports {parts[1]} from above"
        if parts[0] in HEAVY:
            assert here in HEAVY[parts[0]], f"{parts[0]} belongs in {HEAVY[parts[0]]} only"


def test_no_cycles_between_rooms() -> None:
    graph: dict[str, set[str]] = {name: set() for name in RANK}
    for path in modules():
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "pinch" and len(parts) > 1 and parts[1] in RANK and parts[1] != room(path):
                graph[room(path)].add(parts[1])
    while graph:
        leaves = {name for name, needs in graph.items() if not needs & set(graph)}
        assert leaves, f"a cycle among {sorted(graph)}"
        graph = {name: needs for name, needs in graph.items() if name not in leaves}
