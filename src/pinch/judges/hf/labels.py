"""Stage: how probable a model finds the labels A and B as the next token of a question.

reader = LabelReader(loaded, name)
rows = reader.prompts(questions)         token ids
reader.probabilities(rows)               per row (share of A in A and B, probability of A or B)
"""

import inspect
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from pinch.errors import UserError
from pinch.frames import CHAT_OPTIONS
from pinch.judges.questions import Question
from pinch.models import Loaded, hushed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LABELS = ("A", "B")
PLACE = "pinch-judge-question"


class LabelReader:
    """A loaded model with what its tokenizer calls A and B. `pads`: questions of different lengths can be computed
    together. Raises UserError for a tokenizer without such tokens; `name` is the model's in messages."""

    def __init__(self, loaded: Loaded, name: str) -> None:
        self.context = loaded.context
        self._loaded = loaded
        self._name = name
        embeddings: Any = loaded.model.get_input_embeddings()
        size = int(embeddings.weight.shape[0])
        self._labels = [torch.tensor(_tokens(loaded.tokenizer, label, size), device=loaded.device) for label in LABELS]
        for label, tokens in zip(LABELS, self._labels, strict=True):
            if not len(tokens):
                raise UserError(
                    f"{name}: its tokenizer has no token for {label} alone, so it cannot judge; take another model"
                )
        self._special = _special(loaded.tokenizer)
        self._frames: dict[str, tuple[str, str]] = {}
        self._known = inspect.signature(loaded.model.forward).parameters
        self.pads = "attention_mask" in self._known and not getattr(loaded.model, "_is_stateful", False)

    def prompts(self, questions: Sequence[Question]) -> list[list[int]]:
        """Token ids of the questions, the label being what comes next."""
        tokenizer = self._loaded.tokenizer
        chat = bool(tokenizer.chat_template)
        with hushed():  # a question above the context is said elsewhere
            rows: list[list[int]] = tokenizer(
                [self.render(question) for question in questions], add_special_tokens=not chat
            )["input_ids"]
        eos = tokenizer.eos_token_id
        # some tokenizers are configured to append EOS; before the label it would be wrong
        return [row[:-1] if not chat and row and row[-1] == eos else row for row in rows]

    def render(self, question: Question) -> str:
        """The question as the model reads it."""
        if question.system not in self._frames:
            self._frames[question.system] = self._frame(question.system)
        before, behind = self._frames[question.system]
        return before + self._harmless(question.user) + behind

    @torch.inference_mode()
    def probabilities(self, rows: list[list[int]]) -> list[tuple[float, float]]:
        """Per row the share of A in the probability of A or B, and that probability; computed as one batch."""
        longest, device = max(len(row) for row in rows), self._loaded.device
        ids = torch.tensor([[self._loaded.pad] * (longest - len(row)) + row for row in rows], device=device)
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
        options: dict[str, Any] = {
            "attention_mask": mask,
            "position_ids": (mask.cumsum(1) - 1).clamp_min(0),
            "logits_to_keep": 1,
            "use_cache": False,
        }
        options = {name: value for name, value in options.items() if name in self._known}
        logits = self._loaded.model(input_ids=ids, **options).logits[:, -1].double().log_softmax(-1)
        first, second = (logits[:, tokens].logsumexp(-1) for tokens in self._labels)
        share, mass = torch.sigmoid(first - second), first.exp() + second.exp()
        return list(zip(share.tolist(), mass.tolist(), strict=True))

    def _frame(self, system: str) -> tuple[str, str]:
        """What stands before and behind a question's user part."""
        folded = f"{system}\n\n{PLACE}" if system else PLACE
        if not self._loaded.tokenizer.chat_template:
            text: str | None = folded
        else:
            apart = [{"role": "system", "content": system}, {"role": "user", "content": PLACE}]
            text = self._chat(apart) if system else None
            if text is None or system not in text:  # some templates refuse a system role, some drop it
                text = self._chat([{"role": "user", "content": folded}])
        if text is None or text.count(PLACE) != 1:
            raise UserError(
                f"{self._name}: its chat template renders no question; take another model or mend the template"
            )
        before, behind = text.split(PLACE)
        return before, behind

    def _chat(self, messages: list[dict[str, str]]) -> str | None:
        try:
            return str(
                self._loaded.tokenizer.apply_chat_template(
                    messages, add_generation_prompt=True, tokenize=False, **CHAT_OPTIONS
                )
            )
        except Exception:  # a template is a program of its own and may raise anything
            return None

    def _harmless(self, text: str) -> str:
        """The text with a blank inside whatever the tokenizer would read as a special token."""
        return self._special.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text) if self._special else text


def _tokens(tokenizer: "PreTrainedTokenizerBase", label: str, size: int) -> list[int]:
    """All tokens that say the label and nothing else, with white space around it or not, but no special ones."""
    byte = f"<0x{ord(label):02X}>"
    special = set(tokenizer.all_special_ids)
    return sorted(
        number
        for token, number in tokenizer.get_vocab().items()
        if (label in token or token == byte) and number < size and number not in special
        if str(tokenizer.decode([number])).strip() == label
    )


def _special(tokenizer: "PreTrainedTokenizerBase") -> re.Pattern[str] | None:
    texts = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    texts |= set(tokenizer.all_special_tokens)
    longest_first = sorted((text for text in texts if len(text) > 1), key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
