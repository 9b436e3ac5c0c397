"""Edge: how what is said is framed for a model, and which tokens of an example are supervised.

In: a tokenizer and the template asked for. Out: a `Frame`, which turns instructions into prompt token ids and examples
into token ids with their supervised spans.

    templates   our own template, and files of the user's; without torch or transformers
    chat        messages as text, by a chat template; what it writes around an answer
    frame       text as tokens, and the mask
"""

from pinch.frames.frame import Encoded, Frame, make_frame
from pinch.frames.templates import CHAT_OPTIONS, NEUTRAL

__all__ = ["CHAT_OPTIONS", "NEUTRAL", "Encoded", "Frame", "make_frame"]
