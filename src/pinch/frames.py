"""Edge: how an instruction is framed for a model, and which tokens of an example are supervised.

In: a tokenizer and the template asked for. Out: a `Frame`, which turns instructions into prompt token ids and examples
into token ids with the length of their prompt part. The mask is built by prefix rendering: the prompt is tokenised alone,
then with the answer behind it; everything after the prompt is supervised, the end-of-sequence token included.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pinch.config import Template
from pinch.errors import UserError
from pinch.records import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NEUTRAL = "[1]\n{instruction}\n[2]\n"
"""The neutral template: digits and brackets only, so that it favours no language; the same text for all of them. It ends
with a line break, where tokenizers do not merge the prompt's last character with the answer's first."""

CHAT_OPTIONS: dict[str, Any] = {"enable_thinking": False, "date_string": "01 Jan 2024"}
"""Given to every chat template, which ignores what it does not know: answers come without a hidden chain of thought, and
prompts do not change with the day they are rendered on."""

PROBE = "pinch-answer-probe"


@dataclass(frozen=True)
class Encoded:
    """One training sequence: token ids, of which the first `prompt_length` are the prompt and the rest is supervised.

    `truncated`: the end of the answer (and with it the end-of-sequence token) was cut off at the length limit."""

    ids: list[int]
    prompt_length: int
    truncated: bool

    @property
    def supervised(self) -> int:
        """Number of tokens the loss counts; the first token of a sequence is never predicted."""
        return len(self.ids) - max(self.prompt_length, 1)


@dataclass(frozen=True)
class Frame:
    """How instructions and answers are rendered for one tokenizer. `end` is the token that closes an answer; `before` and
    `behind` is what the template writes around an answer, up to `end`; `digest` names the template's content."""

    tokenizer: "PreTrainedTokenizerBase"
    template: Template
    end: int
    digest: str
    before: str = ""
    behind: str = ""

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts with which a model goes on to ask itself the next instruction: an answer ends before the first of them. What
        a chat template puts there is a special token (`end`)."""
        return ("\n[1]\n",) if self.template is Template.neutral else ()

    def render(self, instruction: str) -> str:
        """The text before the answer."""
        if self.template is Template.neutral:
            return NEUTRAL.format_map({"instruction": instruction})
        messages = [{"role": "user", "content": instruction}]
        return _chat(self.tokenizer, messages, add_generation_prompt=True)

    def prompt_ids(self, instruction: str) -> list[int]:
        """Token ids of the prompt, with a BOS token where the tokenizer or the chat template puts one."""
        return self._tokenize([self.render(instruction)])[0]

    def prompts_ids(self, instructions: Sequence[str]) -> list[list[int]]:
        """`prompt_ids` of many, in one call of the tokenizer."""
        return self._tokenize([self.render(instruction) for instruction in instructions])

    def encode(self, example: Example, max_length: int) -> Encoded:
        """Token ids of prompt, answer and end token, cut to `max_length`."""
        return self.encode_all([example], max_length)[0]

    def encode_all(self, examples: Sequence[Example], max_length: int) -> list[Encoded]:
        """`encode` of many, in few calls of the tokenizer."""
        texts = [self.render(example.instruction) for example in examples]
        prompts = self._tokenize(texts)
        answers = [self.before + example.response + self.behind for example in examples]
        joined = self._tokenize([text + answer for text, answer in zip(texts, answers, strict=True)])
        # Where the tokenizer merges across the border, the prompt of training would not be the prompt of generation:
        # those are tokenised in two parts.
        apart = [number for number, prompt in enumerate(prompts) if joined[number][: len(prompt)] != prompt]
        for number, answer in zip(apart, self._plain([answers[number] for number in apart]), strict=True):
            joined[number] = prompts[number] + answer
        return [_encoded(prompt, whole, self.end, max_length) for prompt, whole in zip(prompts, joined, strict=True)]

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        special = self.template is Template.neutral  # a chat template writes its special tokens itself
        rows: list[list[int]] = self.tokenizer(texts, add_special_tokens=special)["input_ids"]
        eos = self.tokenizer.eos_token_id
        # some tokenizers are configured to append EOS; between prompt and answer it would be wrong
        return [row[:-1] if special and row and row[-1] == eos else row for row in rows]

    def _plain(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        rows: list[list[int]] = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return rows


def _encoded(prompt: list[int], whole: list[int], end: int, max_length: int) -> Encoded:
    ids = [*whole, end]
    return Encoded(ids[:max_length], min(len(prompt), max_length), len(ids) > max_length)


def make_frame(tokenizer: "PreTrainedTokenizerBase", template: Template, where: str) -> Frame:
    """The frame of a tokenizer; `where` is the model's name in messages.

    Raises UserError when the tokenizer has no end-of-sequence token, or no chat template although it is asked for."""
    if tokenizer.eos_token_id is None:
        raise UserError(f"{where}: the tokenizer has no end-of-sequence token; set eos_token in tokenizer_config.json")
    end = int(tokenizer.eos_token_id)
    if template is Template.neutral:
        return Frame(tokenizer, template, end, _digest(NEUTRAL))
    if not tokenizer.chat_template:
        raise UserError(f"{where}: the tokenizer has no chat template; use model.template=neutral")
    end, before, behind = _around_answers(tokenizer, end, where)
    return Frame(tokenizer, template, end, _digest(repr(tokenizer.chat_template)), before, behind)


def _around_answers(tokenizer: "PreTrainedTokenizerBase", eos: int, where: str) -> tuple[int, str, str]:
    """The special token that the chat template ends an answer with (Llama 3's is not EOS), or else EOS; and the text it
    puts between prompt and answer, and between answer and end (often a blank)."""
    question = [{"role": "user", "content": "?"}]
    try:
        prompt = _chat(tokenizer, question, add_generation_prompt=True)
        whole = _chat(tokenizer, [*question, {"role": "assistant", "content": PROBE}], add_generation_prompt=False)
    except Exception as error:  # a template is a program of its own and may raise anything
        raise UserError(f"{where}: its chat template fails ({error}); use model.template=neutral") from None
    front, _, tail = whole.rpartition(PROBE)
    # Some templates open the answer of a prompt differently from one that is there; then the prompt is right.
    before = front.removeprefix(prompt) if front.startswith(prompt) else ""
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    ids: list[int] = tokenizer([tail], add_special_tokens=False)["input_ids"][0]
    end = next((token for token in ids if token in special), eos)
    behind, closed, _ = tail.partition(str(tokenizer.convert_ids_to_tokens(end)))
    return end, before, behind if closed else ""


def _chat(tokenizer: "PreTrainedTokenizerBase", messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
    text = tokenizer.apply_chat_template(
        messages, add_generation_prompt=add_generation_prompt, tokenize=False, **CHAT_OPTIONS
    )
    assert isinstance(text, str)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
