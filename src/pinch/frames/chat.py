"""Edge: messages as text, by the model's chat template or a file of the user's; transformers renders both, in its sandbox.

ChatTemplate(tokenizer, text, name)   messages in, text out
around(template, eos)                 what it writes around an answer
openings(template, closing)           what it writes where another turn begins
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from pinch.errors import UserError
from pinch.frames.templates import CHAT_OPTIONS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

QUESTION, ANSWER, NEXT = "pinch-question-probe", "pinch-answer-probe", "pinch-next-probe"

Turn = tuple[str, str]
"""An instruction and its response."""


class Around(NamedTuple):
    """What a template writes around an answer: `before` it, `behind` it, then the token `end`."""

    before: str
    behind: str
    end: int


@dataclass(frozen=True)
class ChatTemplate:
    """How a tokenizer's model is spoken to: by `text`, which is of the file `name`, or, where that is None, by the chat
    template of the model `name`."""

    tokenizer: "PreTrainedTokenizerBase"
    text: str | None
    name: str

    def prompt(self, instruction: str, earlier: Sequence[Turn] = ()) -> str:
        """All up to where the answer begins."""
        return self.render([*_messages(earlier), {"role": "user", "content": instruction}], add_generation_prompt=True)

    def render(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        """Raises UserError when the template fails."""
        try:
            made = self.tokenizer.apply_chat_template(
                messages,
                chat_template=self.text,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
                **CHAT_OPTIONS,
            )
        except Exception as error:  # a template is a program of its own and may raise anything
            what = str(error).split("\n")[0]
            raise self.fault(f"fails ({what})", _line(error.__traceback__)) from None
        assert isinstance(made, str)
        return made

    def fault(self, what: str, line: int | None = None) -> UserError:
        """What is wrong with it, where, and what to do."""
        if self.text is None:
            return UserError(f"{self.name}: its chat template {what}; use model.template=neutral")
        return UserError(f"{self.name}{f', line {line}' if line else ''}: the template {what}; mend it")


def _messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]


def _line(trace: TracebackType | None) -> int | None:
    """The line of the template in which it failed."""
    found = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in ("<template>", "<unknown>"):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def around(template: ChatTemplate, eos: int) -> Around:
    """What the template writes around an answer. `end` is the special token that closes it (Llama 3's is not EOS), or else
    EOS. Raises UserError for a template that fails or that leaves out what is said."""
    tokenizer = template.tokenizer
    prompt = template.prompt(QUESTION)
    whole = template.render(_messages([(QUESTION, ANSWER)]), add_generation_prompt=False)
    if QUESTION not in prompt or ANSWER not in whole:
        which = "the instruction" if QUESTION not in prompt else "the answer"
        raise template.fault(f"does not write {which} (the content of a message)")
    front, _, tail = whole.rpartition(ANSWER)
    # Some templates open the answer of a prompt differently from one that is there; then the prompt is right.
    before = front.removeprefix(prompt) if front.startswith(prompt) else ""
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    ids: list[int] = tokenizer([tail], add_special_tokens=False)["input_ids"][0]
    end = next((token for token in ids if token in special), eos)
    behind, closed, _ = tail.partition(str(tokenizer.convert_ids_to_tokens(end)))
    return Around(before, behind if closed else "", end)


def openings(template: ChatTemplate, closing: str) -> tuple[str, ...]:
    """The text with which the template opens the turn behind an answer and its end token `closing`; none where it uses
    special tokens for that, or has no second turns."""
    try:
        later = template.prompt(NEXT, [(QUESTION, ANSWER)])
    except UserError:
        return ()
    between = later.partition(ANSWER)[2].partition(closing)[2].partition(NEXT)[0]
    special = [str(token) for token in template.tokenizer.added_tokens_decoder.values()]
    if not between.strip() or any(token in between for token in special):
        return ()
    return (between if between.startswith("\n") else f"\n{between}",)
