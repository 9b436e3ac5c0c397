"""Edge: examples as token ids, and which of them are supervised.

The mask is built by prefix rendering: every prompt (all turns so far, up to where an answer begins) is tokenised alone, then
with the answer behind it; what comes after the prompt is supervised, the end token included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from pinch.config import LossTurns, Template
from pinch.errors import UserError
from pinch.frames import templates
from pinch.frames.chat import ChatTemplate, Turn, around, openings
from pinch.records import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Step = tuple[str, str]
"""The text of a prompt, earlier turns included, and that of the answer behind it, up to the end token."""


ANCHORS = "\n", "]", "0", "a"
"""Texts that another one is tokenised behind; the first with which it does not merge."""


@dataclass(frozen=True)
class Encoded:
    """One training sequence: token ids, and the supervised of them as (from, to) places, one span an answer.

    The first token of a sequence is never predicted, so no span has it. `truncated`: the end (and with it the last answer's
    end token) was cut off at the length limit."""

    ids: list[int]
    spans: tuple[tuple[int, int], ...]
    truncated: bool = False

    @property
    def supervised(self) -> int:
        """Number of tokens the loss counts."""
        return sum(end - start for start, end in self.spans)

    @property
    def prompt_length(self) -> int:
        """Number of tokens before the first that is supervised."""
        return self.spans[0][0] if self.spans else len(self.ids)


@dataclass(frozen=True)
class Frame:
    """How instructions and answers are rendered for one tokenizer. `end` is the token that closes an answer; `before` and
    `behind` is what the template writes around an answer, up to `end`; `digest` names the template's content; `stops` are
    texts with which a model goes on to ask itself the next instruction: an answer ends before the first of them (where a
    chat template puts a special token there, it is `end`). `chat` is None for the neutral template."""

    tokenizer: "PreTrainedTokenizerBase"
    template: str
    end: int
    digest: str
    before: str = ""
    behind: str = ""
    stops: tuple[str, ...] = ()
    chat: ChatTemplate | None = None

    def render(self, instruction: str, earlier: Sequence[Turn] = ()) -> str:
        """The text before the answer."""
        if self.chat is not None:
            return self.chat.prompt(instruction, earlier)
        said = [templates.NEUTRAL.format_map({"instruction": asked}) + given + self.closing for asked, given in earlier]
        return "".join(said) + templates.NEUTRAL.format_map({"instruction": instruction})

    def prompt_ids(self, instruction: str, earlier: Sequence[Turn] = ()) -> list[int]:
        """Token ids of the prompt, with a BOS token where the tokenizer or the chat template puts one."""
        return self._tokenize([self.render(instruction, earlier)])[0]

    def prompts_ids(self, instructions: Sequence[str]) -> list[list[int]]:
        """`prompt_ids` of many, in one call of the tokenizer."""
        return self._tokenize([self.render(instruction) for instruction in instructions])

    def encode(self, example: Example, max_length: int, loss_turns: LossTurns = LossTurns.all) -> Encoded:
        """Token ids of prompt, answer and end token, of all turns, cut to `max_length`."""
        return self.encode_all([example], max_length, loss_turns)[0]

    def encode_all(
        self, examples: Sequence[Example], max_length: int, loss_turns: LossTurns = LossTurns.all
    ) -> list[Encoded]:
        """`encode` of many, in few calls of the tokenizer. Raises UserError for a conversation whose answers cannot all be
        supervised, because the template writes earlier turns in another way than the last one."""
        steps = [self._steps(example, loss_turns) for example in examples]
        prompts = iter(self._tokenize([prompt for turns in steps for prompt, _ in turns]))
        joined = iter(self._tokenize([prompt + answer for turns in steps for prompt, answer in turns]))
        return [self._encoded([(*step, next(prompts), next(joined)) for step in turns], max_length) for turns in steps]

    def _steps(self, example: Example, loss_turns: LossTurns) -> list[Step]:
        """What is supervised of an example, each time with all that comes before it."""
        last = (self.render(example.instruction, example.before), self.before + example.response + self.behind)
        if not example.before or loss_turns is LossTurns.last:
            return [last]
        asked = [*(instruction for instruction, _ in example.before), example.instruction]
        texts = [self.render(instruction, example.before[:number]) for number, instruction in enumerate(asked)]
        steps = []
        for (prompt, later), (_, response) in zip(pairwise(texts), example.before, strict=True):
            # many templates strip what was said in earlier turns
            answers = [self.before + said + self.behind for said in (response, response.strip())]
            answer = next((answer for answer in answers if later.startswith(prompt + answer + self.closing)), None)
            if answer is None:
                raise UserError(
                    f"example {example.id} ({example.language}): model.template={self.template} writes earlier turns in "
                    "another way than they are asked and answered; set tuning.loss_turns=last"
                )
            steps.append((prompt, answer))
        return [*steps, last]

    def _encoded(self, steps: list[tuple[str, str, list[int], list[int]]], max_length: int) -> Encoded:
        """`steps` with the ids of each prompt, alone and with its answer. Where the tokenizer merges across a border, the
        prompt of training would not be the prompt of generation: there the two sides are tokenised apart."""
        ids, done = steps[0][2], ""
        spans = []
        for prompt, answer, alone, joined in steps:
            ids = alone if alone[: len(ids)] == ids else ids + self._continued(prompt.removeprefix(done))
            start = len(ids)
            ids = [*(joined if joined[:start] == ids else ids + self._continued(answer)), self.end]
            spans.append((max(start, 1), len(ids)))
            done = prompt + answer + self.closing
        cut = [(start, min(end, max_length)) for start, end in spans]
        return Encoded(ids[:max_length], tuple(span for span in cut if span[0] < span[1]), len(ids) > max_length)

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        special = self.chat is None  # a chat template writes its special tokens itself
        rows: list[list[int]] = self.tokenizer(texts, add_special_tokens=special)["input_ids"]
        eos = self.tokenizer.eos_token_id
        # some tokenizers are configured to append EOS; between prompt and answer it would be wrong
        return [row[:-1] if special and row and row[-1] == eos else row for row in rows]

    def _continued(self, text: str) -> list[int]:
        """Tokens of a text that goes on from another one."""
        for anchor in ANCHORS if self._marks_starts else ():
            front, whole = self._plain(anchor), self._plain(f"{anchor}{text}")
            if whole[: len(front)] == front:
                return whole[len(front) :]
        return self._plain(text)

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    @cached_property
    def _marks_starts(self) -> bool:
        """Whether the tokenizer puts a blank before a text, as sentencepiece does; within a text there must be none."""
        return self._plain("\na")[-1:] != self._plain("a")[-1:]

    @cached_property
    def closing(self) -> str:
        """The text of the end token."""
        return str(self.tokenizer.convert_ids_to_tokens(self.end))


def make_frame(tokenizer: "PreTrainedTokenizerBase", template: str, where: str) -> Frame:
    """The frame of a tokenizer; `where` is the model's name in messages.

    Raises UserError when the tokenizer has no end-of-sequence token, no chat template although it is asked for, or when the
    template, the model's or the user's, cannot be used."""
    if tokenizer.eos_token_id is None:
        raise UserError(f"{where}: the tokenizer has no end-of-sequence token; set eos_token in tokenizer_config.json")
    eos = int(tokenizer.eos_token_id)
    if template == Template.neutral:
        return Frame(tokenizer, str(template), eos, templates.digest(templates.NEUTRAL), stops=("\n[1]\n",))
    if template == Template.chat:
        if not tokenizer.chat_template:
            raise UserError(f"{where}: the tokenizer has no chat template; use model.template=neutral")
        chat, digest = ChatTemplate(tokenizer, None, where), templates.digest(repr(tokenizer.chat_template))
    else:
        text = templates.read(template)
        chat, digest = ChatTemplate(tokenizer, text, template), templates.digest(text)
    before, behind, end = around(chat, eos)
    frame = Frame(tokenizer, str(template), end, digest, before, behind, chat=chat)
    return frame if chat.text is None else replace(frame, stops=openings(chat, frame.closing))
