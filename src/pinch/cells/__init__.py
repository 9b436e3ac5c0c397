"""Edge: a cell's identity and its folder, the files that stages meet through.

multirun/<workspace>/<cell>/cell.yaml       what the cell is: identity, axes, settings, versions
                           /mixture.jsonl   id, language: exactly what was trained on
                           /adapter/ model/ the tuned weights
                           /train_log.csv   per step
                           /answers/<language>.jsonl
                           /items/<judge>.jsonl, scores.json   written by evaluate
                           /status.json     per stage: running, done or failed, attempt, seconds, error
multirun/<workspace>/prompts/<language>-<digest>.jsonl         the prompts the answers belong to
multirun/<workspace>/prompts/lexicon-<digest>.json             word lists of the corpus, where it has them
multirun/<workspace>/verdicts/                                 raw judgements
multirun/<workspace>/.locks/                                   who is at work on what
"""

from pinch.cells.cell import Axes, Cell, read_cell, read_cells, role, tuning_base, write_cell
from pinch.cells.identity import IDENTITY, OUTSIDE, define, identify
from pinch.cells.lock import exclusive, locked, owner
from pinch.cells.plain import digest, plain
from pinch.cells.process import Owner
from pinch.cells.prompts import load_lexicon, load_prompts, prompts_digest, store_lexicon, store_prompts
from pinch.cells.status import (
    JUDGED,
    Stage,
    answered,
    describe,
    fail,
    is_done,
    read_status,
    stage,
    tidy,
    tidy_file,
    tuned,
)

__all__ = [
    "IDENTITY",
    "JUDGED",
    "OUTSIDE",
    "Axes",
    "Cell",
    "Owner",
    "Stage",
    "answered",
    "define",
    "describe",
    "digest",
    "exclusive",
    "fail",
    "identify",
    "is_done",
    "load_lexicon",
    "load_prompts",
    "locked",
    "owner",
    "plain",
    "prompts_digest",
    "read_cell",
    "read_cells",
    "read_status",
    "role",
    "stage",
    "store_lexicon",
    "store_prompts",
    "tidy",
    "tidy_file",
    "tuned",
    "tuning_base",
    "write_cell",
]
