"""Edge: what a cell is, and cell.yaml, where that is written down."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pinch.cells.plain import plain
from pinch.config import Method, TrainConfig
from pinch.errors import UserError
from pinch.records import write_text


@dataclass(frozen=True)
class Axes:
    """Where a cell stands in the study. `languages` have at least one example, the base first; `fraction` is the
    multilingual share of the budget as asked (0 for one language), `other_share` the share outside the base as realised;
    `counts` are examples per language. `seed` is None for the untuned base model."""

    model: str
    data: str
    method: str
    base: str
    languages: tuple[str, ...]
    n_languages: int
    fraction: float
    other_share: float
    budget: int
    seed: int | None
    counts: dict[str, int]


@dataclass(frozen=True)
class Cell:
    """One tuned (or the untuned) model of a workspace. Cells of one `family` differ only in mixture and seed; cells of
    one `root_key` share base model and generation settings, so that the untuned cell can be their reference."""

    id: str
    folder: Path
    axes: Axes
    identity: dict[str, Any]
    family: str
    root_key: str

    def answers_path(self, language: str) -> Path:
        return self.folder / "answers" / f"{language}.jsonl"

    def items_path(self, judge: str) -> Path:
        return self.folder / "items" / f"{judge}.jsonl"

    @property
    def scores_path(self) -> Path:
        return self.folder / "scores.json"

    @property
    def untuned(self) -> bool:
        return self.axes.method == Method.none.value


def role(cell: Cell, language: str) -> str:
    """base, seen or unseen: what an evaluation language is to a cell; every language is unseen to the untuned model."""
    if language not in cell.axes.languages:
        return "unseen"
    return "base" if language == tuning_base(cell) else "seen"


def tuning_base(cell: Cell) -> str:
    """The language that a cell's budget stays in: of a cell of one language that one, whatever the base setting says."""
    names = cell.axes.languages
    return cell.axes.base if cell.axes.base in names or not names else names[0]


def write_cell(cell: Cell, settings: TrainConfig, versions: Mapping[str, str]) -> None:
    """Write cell.yaml, unless it is there already: the first writer's settings and versions stay."""
    path = cell.folder / "cell.yaml"
    if path.exists():
        return
    axes = dataclasses.asdict(cell.axes) | {"languages": list(cell.axes.languages)}
    document = {
        "id": cell.id,
        "family": cell.family,
        "root_key": cell.root_key,
        "axes": axes,
        "identity": cell.identity,
        "settings": plain(settings),
        "versions": dict(versions),
    }
    write_text(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def read_cell(folder: Path) -> Cell:
    """The cell of a folder. Raises UserError when cell.yaml cannot be understood."""
    try:
        document = yaml.load((folder / "cell.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
        axes = Axes(**(document["axes"] | {"languages": tuple(document["axes"]["languages"])}))
        return Cell(folder.name, folder, axes, document["identity"], document["family"], document["root_key"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        line = str(error).split("\n")[0]
        raise UserError(f"{folder / 'cell.yaml'}: cannot be read ({line}); remove the folder and train again") from None


def read_cells(workspace: Path) -> list[Cell]:
    """All cells of a workspace, in the order of their ids. Raises UserError when there are none."""
    found = [read_cell(path.parent) for path in sorted(workspace.glob("*/cell.yaml"))]
    if not found:
        raise UserError(f"{workspace}: no cells there; run python train.py first, or name another workspace=")
    return found
