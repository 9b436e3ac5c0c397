"""Stage generate: lets a model answer prompts.

    attach(loaded, folder)          the loaded model with a cell's adapter (unmerged), or a cell's full weights
    assert_adapter_active(loaded)   refuses answers of a model whose tuning has no effect
    generate(loaded, prompts, ...)  one Answer per prompt, in the order of the prompts
    check_room(frame, ...)          refuses prompts that leave no room for an answer, before anything is tuned
    serving(question, prompts)      a session in which a server answers

Rooms: `attached` and `hf` let a model of this process answer, by the tokens that `choosing` chooses; `server` lets a server
answer that holds the models; `answers` says where an answer ends, whoever gave it.
"""

from pinch.generation.attached import assert_adapter_active, attach
from pinch.generation.hf import generate
from pinch.generation.room import check_room
from pinch.generation.server import Question, serving

__all__ = ["Question", "assert_adapter_active", "attach", "check_room", "generate", "serving"]
