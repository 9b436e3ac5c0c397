"""Shapes: the settings of python -m pinch.translate."""

from dataclasses import dataclass, field
from enum import Enum

from pinch.config.checks import positive
from pinch.config.model import DType
from pinch.config.server import BudgetConfig, PriceConfig
from pinch.config.sweep import PlanConfig, PlanShow
from pinch.config.tuning import Accelerator
from pinch.errors import UserError, did_you_mean
from pinch.languages import canonical, canonical_all

TranslationEngine = Enum(
    "TranslationEngine", {"import": "import", "api": "api", "hf": "hf", "deepl": "deepl", "google": "google"}
)


class Unit(Enum):
    auto = "auto"
    sentence = "sentence"
    line = "line"


class Parallel(Enum):
    drop = "drop"
    keep = "keep"
    fail = "fail"


class LanguageTokens(Enum):
    auto = "auto"
    nllb = "nllb"
    m2m100 = "m2m100"
    madlad = "madlad"
    plain = "plain"


class Formality(Enum):
    default = "default"
    more = "more"
    less = "less"
    prefer_more = "prefer_more"
    prefer_less = "prefer_less"


MODELS = {
    "deepl": ("latency_optimized", "quality_optimized", "prefer_quality_optimized"),
    "google": ("nmt", "base"),
}
"""What engine.model may be with a translation service."""

CHECKS = ("failed", "missing", "empty", "lines", "language", "length", "spans", "digits", "repetition", "copy")
"""What may be wrong with a translated row."""


@dataclass
class TranslationBudget(BudgetConfig):
    """What api, deepl or google may cost in one run; it stops before a limit is passed, and the same command goes on from
    there. Tokens are of api alone."""

    characters: int | None = None
    """deepl, google: characters that are sent and paid for; Google takes money for markup too."""


@dataclass
class TranslationPrice(PriceConfig):
    """What api takes per million tokens, or a service per million characters; none: unknown."""

    characters: float | None = None
    """deepl, google: per million characters that are sent."""


@dataclass
class EngineConfig:
    """What translates."""

    kind: TranslationEngine = TranslationEngine["import"]
    """import: finished files of yours, checked and made parallel; api: a model behind an OpenAI-compatible chat server;
    hf: a sequence-to-sequence model of transformers (NLLB, M2M100, MADLAD and those built like them); deepl, google: the
    services, through their own clients (extras deepl and google)."""
    files: list[str] = field(default_factory=list)
    """import only: files or folders with translated rows, under the ids of the source; a folder holds <language>.jsonl
    files."""
    model: str | None = None
    """api: the model's name at the server; hf: a folder or a hub id; deepl: latency_optimized, quality_optimized or
    prefer_quality_optimized; google: nmt or base; none: what the service takes by itself."""
    unit: Unit = Unit.auto
    """What the engine gets at a time; auto: sentences with hf, whose models lose what comes after the first, else lines."""
    max_tokens: int = 512
    """api, hf: longest translation of one sentence or line in tokens; one that is cut off there is rejected. api: hidden
    reasoning included."""

    revision: str | None = None
    """hf only: the hub's branch, tag or commit."""
    dtype: DType = DType.auto
    """hf only: precision of the weights; auto: bf16 on a GPU that has it, else fp32."""
    accelerator: Accelerator = Accelerator.auto
    """hf only: where the model computes; auto: a GPU where there is one."""
    batch_size: int = 16
    """hf only: sentences at a time."""
    beams: int = 4
    """hf only: beams of the search; 1: greedy."""
    tokens: LanguageTokens = LanguageTokens.auto
    """hf only: how the model is told the languages; auto: by what its vocabulary holds; plain: not at all, for a model of
    one pair of languages."""

    formality: Formality = Formality.default
    """deepl only: how people are addressed, in languages that tell; more and less are refused for the others."""
    variants: dict[str, str] = field(default_factory=dict)
    """deepl, google: the service's own code for a language that is translated into, e.g. {pt: pt-PT, en: en-GB}; for those
    that are left out: pt-BR and en-US with deepl."""

    base_url: str | None = None
    """api: the server's address up to and including /v1; none: $OPENAI_BASE_URL, else that of OpenAI. deepl, google: none:
    the service's own."""
    key: str = "OPENAI_API_KEY"
    """api, deepl, google: the environment variable that holds the key; the key itself is never written anywhere. google:
    where it is empty, $GOOGLE_APPLICATION_CREDENTIALS names the file of a service account."""
    concurrency: int = 16
    """api, deepl, google: requests under way at once."""
    timeout: float = 120.0
    """api, deepl, google: seconds for one whole reply."""
    retries: int = 6
    """api, deepl, google: how often a request that failed is sent again."""
    asks: int = 2
    """api only: how often a text is sent at most when the reply holds no translation."""
    temperature: float | None = 0.0
    """api only: of the sampling; none: not sent."""
    seed: int | None = 0
    """api only: sent with every request; none: not sent."""
    budget: TranslationBudget = field(default_factory=TranslationBudget)
    price: TranslationPrice = field(default_factory=TranslationPrice)

    def __post_init__(self) -> None:
        kind = self.kind.value
        if kind in ("api", "hf") and not self.model:
            what = "the model's name at the server" if kind == "api" else "a folder or a hub id"
            raise UserError(f"engine.model is not set; give {what}, e.g. engine={kind} engine.model=...")
        if self.model and self.model not in MODELS.get(kind, (self.model,)):
            raise UserError(f"engine.model: {kind} has no {self.model!r}{did_you_mean(self.model, MODELS[kind])}")
        self.variants = {canonical(str(code), "engine.variants"): name for code, name in self.variants.items()}
        for name in ("max_tokens", "batch_size", "beams", "concurrency", "asks"):
            positive(f"engine.{name}", getattr(self, name))
        if self.retries < 0:
            raise UserError(f"engine.retries={self.retries} must not be negative")
        if self.timeout <= 0:
            raise UserError(f"engine.timeout={self.timeout} must be above 0; it is in seconds")
        if self.temperature is not None and self.temperature < 0:
            raise UserError(f"engine.temperature={self.temperature} must not be negative; null: not sent")
        self.budget.check("engine.budget")
        self.price.check("engine.price")
        self._check_money()

    @property
    def service(self) -> bool:
        """Whether it is a translation service, which is paid by the character."""
        return self.kind.value in MODELS

    def _check_money(self) -> None:
        other, ours = ("tokens", "characters") if self.service else ("characters", "tokens")
        if getattr(self.budget, other) is not None:
            raise UserError(
                f"engine.budget.{other} limits nothing of engine={self.kind.value}; give engine.budget.{ours}"
            )
        if self.budget.money is None:
            return
        if self.service and self.price.characters is None:
            raise UserError("engine.budget.money needs the price: engine.price.characters, per million characters")
        if not self.service and self.price.question is None:
            raise UserError(
                "engine.budget.money needs prices: engine.price.question and engine.price.reply, per million tokens"
            )


@dataclass
class TranslateConfig:
    """Settings of `python -m pinch.translate`: a parallel corpus and prompts from those of one language."""

    corpus: str | None = None
    """JSONL file with id, instruction and response; of a file with a language field, the rows of `source`."""
    prompts: str | None = None
    """JSONL file with id, instruction and, where there is one, reference."""
    source: str = "en"
    """Language that is translated from."""
    to: list[str] = field(default_factory=list)
    """Languages to translate into."""
    out: str = "translated"
    """Folder for corpus/<language>.jsonl, prompts/<language>.jsonl, rejected.jsonl, report.json and memory/."""
    plan: PlanConfig = field(default_factory=PlanConfig)
    """table, json: what would be translated and what it costs (plan=true); nothing is."""

    engine: EngineConfig = field(default_factory=EngineConfig)
    reject: list[str] = field(default_factory=lambda: [name for name in CHECKS if name != "digits"])
    """Checks that take a row out; the others are only flagged. A numeral may become a word or change its system, so digits
    is not among them."""
    ratio: float = 2.0
    """length: how many times longer or shorter than its source a translation may be, in letters (a Chinese or Japanese
    character counts for 3, a Korean one for 2). What 2 lets through: docs/translation.md."""
    parallel: Parallel = Parallel.drop
    """What becomes of an id that is rejected in one language. drop: it is left out in all, so they hold the same ids;
    keep: it stays in the others; fail: nothing is written."""

    def __post_init__(self) -> None:
        self.source = canonical(self.source, "source")
        self.to = canonical_all(self.to, "to")
        if not (self.corpus or self.prompts):
            raise UserError("nothing to translate; give corpus=FILE, prompts=FILE or both")
        if not self.to or self.source in self.to:
            raise UserError(f"to={self.to} must name languages other than source={self.source}, e.g. 'to=[ru,fi]'")
        if self.engine.kind is TranslationEngine["import"] and not self.engine.files:
            raise UserError(
                "engine=import needs the translated files, e.g. 'engine.files=[ru.jsonl]'; or choose engine=api, hf, "
                "deepl or google"
            )
        if self.ratio <= 1:
            raise UserError(f"ratio={self.ratio} must be above 1, e.g. 2")
        for name in self.reject:
            if name not in CHECKS:
                raise UserError(f"reject: there is no check {name!r}{did_you_mean(name, CHECKS)}")
        if self.plan.show is PlanShow.files or self.plan.add_references:
            raise UserError("plan=files and plan.add_references are of train.py; here are plan=true and plan=json")
