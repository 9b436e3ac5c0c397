"""Shapes: who judges, and how it is asked."""

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pinch.config.checks import positive
from pinch.config.model import DType
from pinch.config.server import BudgetConfig, PriceConfig
from pinch.config.tuning import Accelerator
from pinch.errors import UserError


class JudgeKind(Enum):
    reference = "reference"
    api = "api"
    hf = "hf"
    human = "human"
    panel = "panel"


class ReplyFormat(Enum):
    auto = "auto"
    json_schema = "json_schema"
    json_object = "json_object"
    text = "text"


class TokensField(Enum):
    auto = "auto"
    max_tokens = "max_tokens"
    max_completion_tokens = "max_completion_tokens"


class Batch(Enum):
    off = "off"
    write = "write"
    read = "read"


class Stop(Enum):
    none = "none"
    sequential = "sequential"


SEQUENTIAL = "-sequential"
"""What the names end with under which decisions of judge.stop=sequential are kept."""


class Combine(Enum):
    majority = "majority"
    mean = "mean"


@dataclass
class JudgeConfig:
    name: str | None = None
    """Name under which verdicts and scores are kept; none: the model's name of an api or hf judge, else the kind."""
    kind: JudgeKind = JudgeKind.reference
    """reference: agreement with the prompt's reference answer, deterministic, offline; api: a model behind any
    OpenAI-compatible chat server; hf: a local Hugging Face model; human: a page to annotate; panel: several of these."""
    margin: float = 10.0
    """reference only: chrF points by which one answer must be better; less is a tie."""
    max_prompts: int | None = None
    """Judge only so many prompts per language, the same ones for every cell (ids in the order of their hash); none: all."""
    retry_invalid: bool = False
    """Ask again where the judge replied, but without a verdict. What got no reply at all is always asked again."""
    stop: Stop = Stop.none
    """sequential: a contest is judged only until it is decided whether it is above or below par (six looks, alpha 1 -
    score.confidence); what comes out are decisions, kept under <name>-sequential and never drawn. none: all prompts."""

    prompt: str | None = None
    """api, hf: what the judge is asked: pairwise (reasons, then a verdict line), labels (one letter), or a file of yours;
    none: labels where probabilities are read (hf, or api with judge.logprobs), else pairwise."""
    model: str | None = None
    """api: the model's name at the server; hf: a folder or a hub id."""
    revision: str | None = None
    """hf only: the hub's branch, tag or commit."""
    dtype: DType = DType.auto
    """hf only: precision of the weights; auto: bf16 on a GPU that has it, else fp32."""
    accelerator: Accelerator = Accelerator.auto
    """hf only: where the model computes; auto: a GPU where there is one."""
    batch_size: int = 16
    """hf only: questions at a time."""

    base_url: str | None = None
    """api only: the server's address up to and including /v1; none: $OPENAI_BASE_URL, else that of OpenAI."""
    key: str = "OPENAI_API_KEY"
    """api only: the environment variable that holds the key; the key itself is never written anywhere."""
    concurrency: int = 16
    """api only: requests under way at once."""
    timeout: float = 120.0
    """api only: seconds for one whole reply."""
    retries: int = 6
    """api only: how often a request that failed (busy server, broken connection, broken reply) is sent again."""
    asks: int = 2
    """api only: how often a question is asked at most when the reply holds no verdict; every time with another seed."""
    temperature: float | None = 0.0
    """api only: of the sampling; none: not sent, for models that refuse it."""
    max_tokens: int = 1024
    """api only: longest reply in tokens, hidden reasoning included; a reply cut off there is invalid."""
    tokens_field: TokensField = TokensField.auto
    """api only: what the server calls max_tokens; auto: found by the first requests."""
    reply: ReplyFormat = ReplyFormat.auto
    """api only: json_schema, json_object: structured output; text: a last verdict line; auto: the first that the server
    has, found by the first requests."""
    seed: int | None = 0
    """api only: sent with every request, another one per question; none: not sent."""
    logprobs: bool = False
    """api only: take the verdict from the probabilities of A and B as the first token, where the server returns them."""
    probe: bool = False
    """api only: find out anew what the server accepts, instead of going by what was found last time."""
    batch: Batch = Batch.off
    """api only: write: write the requests to files for a batch API instead of sending them; read: read such results."""
    results: list[str] = field(default_factory=list)
    """api with batch=read: result files of the batch API. human: files that the page has saved."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    price: PriceConfig = field(default_factory=PriceConfig)

    members: list[str] = field(default_factory=list)
    """panel only: names of judges that have judged this workspace."""
    combine: Combine = Combine.majority
    """panel, and several annotators: majority: the outcome that more than half of them name, else a tie; mean: of their
    scores."""

    def __post_init__(self) -> None:
        if self.margin < 0:
            raise UserError(f"judge.margin={self.margin} must not be negative; it is in chrF points, 0..100")
        for name in ("max_prompts", "batch_size", "concurrency", "asks", "max_tokens"):
            positive(f"judge.{name}", getattr(self, name))
        if self.retries < 0:
            raise UserError(f"judge.retries={self.retries} must not be negative")
        if self.timeout <= 0:
            raise UserError(f"judge.timeout={self.timeout} must be above 0; it is in seconds")
        if self.temperature is not None and self.temperature < 0:
            raise UserError(f"judge.temperature={self.temperature} must not be negative; null: not sent")
        if self.kind in (JudgeKind.api, JudgeKind.hf) and not self.model:
            what = "the model's name at the server" if self.kind is JudgeKind.api else "a folder or a hub id"
            raise UserError(f"judge.model is not set; give {what}, e.g. judge={self.kind.value} judge.model=...")
        if self.kind is JudgeKind.panel and len(set(self.members)) < 2:
            raise UserError(
                "judge.members: a panel needs two judges or more, e.g. judge=panel 'judge.members=[one,two]'"
            )
        if self.batch is Batch.read and not self.results:
            raise UserError("judge.batch=read needs the result files, e.g. 'judge.results=[results.jsonl]'")
        self.budget.check("judge.budget")
        self.price.check("judge.price")
        if self.budget.money is not None and self.price.question is None:
            raise UserError(
                "judge.budget.money needs prices: judge.price.question and judge.price.reply, per million tokens"
            )
        if self.stop is Stop.sequential and self.kind in (JudgeKind.human, JudgeKind.panel):
            raise UserError(f"judge.stop=sequential is for judges that are asked; judge={self.kind.value} is not")
        if self.stop is Stop.sequential and self.batch is not Batch.off:
            raise UserError("judge.stop=sequential asks look by look, a batch all at once; leave out one of the two")
        for name in (self.label(), *self.members):
            if name.endswith(SEQUENTIAL):
                raise UserError(
                    f"judge {name}: scores of judge.stop=sequential are decisions, biased outward where judging stopped "
                    "early, and stand beside no others; judge without judge.stop, or take another name"
                )
        label = self.label()
        if not label or label != Path(label).name or label.startswith("."):
            raise UserError(f"judge.name={label!r} becomes a file name; use a plain word, without slashes")

    def label(self) -> str:
        """Name under which verdicts and scores are kept."""
        if self.name is not None:
            return self.name
        if self.kind in (JudgeKind.api, JudgeKind.hf):
            return re.sub(r"[^\w.-]+", "-", Path(str(self.model)).name).strip("-.") or str(self.kind.value)
        return str(self.kind.value)
