"""Stage: whether prompts leave room for their answers in a model's context; known before anything is tuned."""

from collections.abc import Sequence

from pinch.errors import CellError
from pinch.frames import Frame
from pinch.records import Prompt

NAMED = 5
"""Prompts that a message names at most."""


def check_room(frame: Frame, context: int, prompts: Sequence[Prompt], wanted: int) -> str:
    """A note on the prompts whose answers can get fewer than `wanted` tokens, empty where there are none.

    Raises CellError when prompts fill the context, which holds `context` tokens of prompt and answer together."""
    sizes = [len(row) for row in frame.prompts_ids([prompt.instruction for prompt in prompts])]
    rows = list(zip(prompts, sizes, strict=True))
    full = [(prompt, size) for prompt, size in rows if size >= context]
    if full:
        raise CellError(
            f"{len(full):,} of {len(rows):,} prompts leave no room for an answer in the context of {context:,} tokens: "
            f"{_named(full)}; leave them out of data.prompts or raise model.context"
        )
    short = [(prompt, size) for prompt, size in rows if size + wanted > context]
    if not short:
        return ""
    return (
        f"the answers to {len(short):,} of {len(rows):,} prompts can get fewer than generation.max_new_tokens={wanted} "
        f"tokens, as the context holds {context:,}: {_named(short)}"
    )


def _named(rows: Sequence[tuple[Prompt, int]]) -> str:
    """The first few prompts, with their languages and tokens."""
    named = ", ".join(f"{prompt.id} ({prompt.language}, {size:,})" for prompt, size in rows[:NAMED])
    return named + (", ..." if len(rows) > NAMED else "")
