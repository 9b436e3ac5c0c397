"""Shapes: the settings of the three scripts, one page of knobs; conf/ holds values for them and nothing else.

Hydra checks every YAML and command line against these dataclasses (typos and wrong types fail by key), `__post_init__`
checks ranges when the config crosses the border (`OmegaConf.to_object`, once, in the doors); below the doors nobody sees
a DictConfig. Derived values are methods. Enum members are written in YAML as they are named here.
"""

import os
import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from pinch.errors import UserError, did_you_mean
from pinch.languages import SIX, SLAVIC, TWELVE, canonical, canonical_all


class ModelSource(Enum):
    embedded = "embedded"
    hf = "hf"


class Template(Enum):
    neutral = "neutral"
    chat = "chat"


class DType(Enum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


class DataSource(Enum):
    embedded = "embedded"
    jsonl = "jsonl"
    hub = "hub"


class Turns(Enum):
    refuse = "refuse"
    drop = "drop"
    first = "first"


class Missing(Enum):
    drop_ids = "drop_ids"
    drop_languages = "drop_languages"
    fail = "fail"


class Overlap(Enum):
    report = "report"
    drop = "drop"


class Spread(Enum):
    paper = "paper"
    all = "all"
    others = "others"


class Allocation(Enum):
    uniform = "uniform"
    proportional = "proportional"
    temperature = "temperature"


class Method(Enum):
    lora = "lora"
    full = "full"
    none = "none"


class TunedOn(Enum):
    alone = "alone"
    together = "together"
    adding = "adding"
    pairs = "pairs"
    nothing = "nothing"
    named = "named"


class LossUnit(Enum):
    token = "token"
    example = "example"


class Packing(Enum):
    auto = "auto"
    packed = "packed"
    padded = "padded"


class Schedule(Enum):
    linear = "linear"
    cosine = "cosine"
    constant = "constant"


class Accelerator(Enum):
    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Strategy(Enum):
    single = "single"
    ddp = "ddp"
    fsdp = "fsdp"


OnFailure = Enum("OnFailure", {"continue": "continue", "stop": "stop"})  # a keyword cannot be written as a member


class PlanShow(Enum):
    off = "off"
    table = "table"
    json = "json"
    files = "files"


class TrackingMode(Enum):
    auto = "auto"
    wandb = "wandb"
    csv = "csv"
    tensorboard = "tensorboard"
    off = "off"


class Show(Enum):
    none = "none"
    mixture = "mixture"


class TieRule(Enum):
    strict = "strict"
    average = "average"


class LanguageGate(Enum):
    off = "off"
    loss = "loss"


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


class Combine(Enum):
    majority = "majority"
    mean = "mean"


class Exchange(Enum):
    none = "none"
    alpaca_eval = "alpaca_eval"


@dataclass
class ModelConfig:
    name: str = "embedded"
    """Short name for folders and figures."""
    source: ModelSource = ModelSource.embedded
    """embedded: the tiny world's model, made on this machine at first use; hf: a Hugging Face causal language model."""
    path: str | None = None
    """hf only: a local folder or a hub id."""
    revision: str | None = None
    """hf only: the hub's branch, tag or commit."""
    dtype: DType = DType.auto
    """Precision of the weights; auto: bf16 on a GPU that has it, else fp32."""
    template: Template = Template.neutral
    """neutral: the same plain frame for every model and language; chat: the model's own chat template."""
    context: int | None = None
    """Longest sequence in tokens; none: what the model's config says."""
    lora_lr: float = 2e-4
    """Learning rate of LoRA tuning that suits this model."""
    full_lr: float = 1e-5
    """Learning rate of full fine-tuning that suits this model."""
    threads: int | None = None
    """CPU threads that suit this model; none: all that a cell can have. Tiny models are fastest with one."""
    note: str = ""
    """What to know before using it: licence, whether access must be asked for, languages. No part of a cell's identity."""

    def __post_init__(self) -> None:
        if self.source is ModelSource.hf and not self.path:
            raise UserError("model.path is not set; give a folder or a hub id, e.g. model=hf model.path=./my-model")
        _positive("model.context", self.context)
        _positive("model.threads", self.threads)


@dataclass
class ColumnsConfig:
    """What a table of the Hub calls things; none: it has no such column. `{language}` in the name of a text column stands
    for the table's word for a language: one column per language. Dotted names lead into a column: turns.0, answer.text."""

    id: str | None = "id"
    """The same in every language; none: the number of the row, from 0."""
    language: str | None = None
    """Where every row says its language."""
    script: str | None = None
    """The script beside it (ISO 15924), where one word for a language stands for several."""
    instruction: str | None = "instruction"
    """In a tree of messages: their text."""
    input: str | None = None
    """What the instruction is about; it follows after an empty line."""
    response: str | None = "response"
    """Of examples only."""
    reference: str | None = None
    """Of prompts only."""
    messages: str | None = None
    """A conversation, in place of instruction and response."""
    parent: str | None = None
    """One row per message, with the id of the message it answers to: trees, whose first turns are read."""
    role: str | None = "role"
    """Of trees: prompter or assistant."""
    rank: str | None = "rank"
    """Of trees: the reply with the lowest rank is taken."""


@dataclass
class TableConfig:
    """A table in Parquet, JSON or JSON lines: a data set of the Hugging Face Hub, or a folder laid out like one."""

    path: str | None = None
    """A folder, a file or a hub id."""
    revision: str | None = None
    """The hub's commit, tag or branch; a commit is the same for ever."""
    config: str | None = None
    """Subset by its name; `{language}`: one subset per language."""
    files: str | None = None
    """These files instead of a subset and split, e.g. data/*.parquet; `{language}`: files per language."""
    split: str = "train"
    languages: list[str] | None = None
    """Languages to read; none: all that are there and that the table of languages knows."""
    words: Any = None
    """{language: the table's word for it}, where that is neither the code nor an ISO 639 code. (Any: see mixture.counts.)"""
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    keep: Any = None
    """{column: value or list of values}: only rows that have these."""
    prefix: str = ""
    """Stands before every id, so that two tables or examples and prompts do not share any."""
    limit: int | None = None
    """At most so many ids in each language, in the order of their hash; none: all."""
    turns: Turns = Turns.refuse
    """Conversations of several turns. refuse: an error; drop: left out and counted; first: their first turn."""

    def __post_init__(self) -> None:
        if self.languages is not None:
            self.languages = canonical_all(self.languages, "languages of a table")
        for name, given in (("words", self.words), ("keep", self.keep)):
            if not isinstance(given, dict | None):
                raise UserError(f"{name} of a table: {given!r} is no mapping; write {name}={{name: value}}")
        if self.words is not None:
            self.words = {canonical(str(code), "words of a table"): str(word) for code, word in self.words.items()}
        _positive("limit of a table", self.limit)


@dataclass
class DataConfig:
    name: str = "embedded"
    """Short name for folders and figures."""
    source: DataSource = DataSource.embedded
    """embedded: the tiny world's corpus; jsonl: files of yours; hub: data sets of the Hub."""
    corpus: str | None = None
    """jsonl only: a JSONL file with a language field, or a folder with one <language>.jsonl each."""
    prompts: str | None = None
    """jsonl and hub: evaluation prompts, a JSONL file or a folder of such; in place of `asked`."""
    table: TableConfig = field(default_factory=TableConfig)
    """hub only: the corpus."""
    second: TableConfig = field(default_factory=TableConfig)
    """hub only: a second table whose examples are added."""
    asked: TableConfig = field(default_factory=TableConfig)
    """hub only: the evaluation prompts."""
    min_chars: int | None = None
    """Shortest response in characters; an id whose response is shorter in one language is left out in all."""
    max_chars: int | None = None
    """Longest instruction and response together in characters, likewise."""
    missing: Missing = Missing.drop_ids
    """Ids that some language lacks. drop_ids: in no budget; drop_languages: what lacks any goes; fail: an error."""
    overlap: Overlap = Overlap.report
    """Examples whose instruction is nearly an evaluation prompt. report: the plan says so; drop: out in all languages."""
    near: float = 0.8
    """Share of common character 5-grams (intersection over union) from which two instructions are nearly the same, 0..1."""
    budget: int | None = None
    """Examples a mixture of this corpus holds unless mixture.budget says otherwise; none: the whole corpus."""
    answer_tokens: int = 256
    """Longest answer in tokens that this corpus' prompts call for, unless generation.max_new_tokens says otherwise."""
    max_prompts: int | None = None
    """Evaluate on the first so many prompts only (ids in the order of their hash); none: all."""

    def __post_init__(self) -> None:
        if self.source is DataSource.jsonl and not (self.corpus and self.prompts):
            raise UserError("data=jsonl needs data.corpus=FILE_OR_FOLDER and data.prompts=FILE_OR_FOLDER")
        if self.source is DataSource.hub and not self.table.path:
            raise UserError(
                "data=hub needs data.table.path=HUB_ID_OR_FOLDER, or use a ready data set, e.g. data=bactrian_x"
            )
        if self.source is DataSource.hub and not (self.asked.path or self.prompts):
            raise UserError(
                "no evaluation prompts: set data.prompts=FILE_OR_FOLDER, or name a set, e.g. prompts@data.asked=multiq"
            )
        if not 0 < self.near <= 1:
            raise UserError(
                f"data.near={self.near} is a share of common character sequences; it must be above 0, at most 1"
            )
        _positive("data.min_chars", self.min_chars)
        _positive("data.max_chars", self.max_chars)
        _positive("data.budget", self.budget)
        _positive("data.answer_tokens", self.answer_tokens)
        _positive("data.max_prompts", self.max_prompts)


@dataclass
class LanguagesConfig:
    name: str = "one"
    """Short name of the group."""
    base: str = "en"
    """The language that the rest of the budget stays in."""
    pool: list[str] = field(default_factory=lambda: list(SIX))
    """Where `count` takes its languages from, in this order (permutation 0)."""
    count: int | None = 1
    """Number of tuning languages: the base and the next of the pool; none: the whole pool."""
    permutation: int = 0
    """Order in which the pool's languages are added: 0 as listed, any other number a shuffle of its own."""
    tuning: list[str] | None = None
    """The tuning languages outright; pool and count are then not used."""
    evaluation: list[str] | None = None
    """Languages that answers are generated and compared in; none: the paper's twelve in the embedded world, every language
    that has prompts elsewhere. No part of a cell's identity."""

    def __post_init__(self) -> None:
        self.base = canonical(str(self.base), "languages.base")
        self.pool = canonical_all(self.pool, "languages.pool")
        if self.evaluation is not None:
            self.evaluation = canonical_all(self.evaluation, "languages.evaluation")
        if self.tuning is not None:
            self.tuning = canonical_all(self.tuning, "languages.tuning")
            if not self.tuning:
                raise UserError("languages.tuning is empty; name at least one language, e.g. languages.tuning=[en,es]")
        if self.evaluation == []:
            raise UserError("languages.evaluation is empty; name at least one language to evaluate in")
        _positive("languages.count", self.count)
        if self.permutation < 0:
            raise UserError(f"languages.permutation={self.permutation} is negative; use 0, 1, 2, ...")


@dataclass
class MixtureConfig:
    name: str = "uniform"
    """Short name of the group."""
    budget: int | None = None
    """Training examples; none: data.budget, and where that is none too the whole corpus."""
    fraction: float | None = None
    """Share of the budget spread over the tuning languages, 0..1; the rest stays in the base language. none: 1."""
    count: int | None = None
    """The same as a number of examples, instead of fraction."""
    counts: Any = None
    """Number of examples per language, {language: number}, instead of fraction and count. (Any, as Hydra neither adds keys
    to a typed dict nor replaces one that is none; `_per_language` checks it.)"""
    spread: Spread = Spread.paper
    """Who shares the multilingual part. all: every tuning language, the base included; others: all but the base;
    paper: others below 10 % of the budget, all from there on (arXiv 2401.01854, section 4)."""
    allocation: Allocation = Allocation.uniform
    """uniform: evenly; proportional: by `weights`; temperature: by weights ** (1 / temperature)."""
    weights: Any = None
    """{language: number}, relative sizes of the languages for proportional and temperature, e.g. their shares of the
    pre-training data."""
    temperature: float = 1.0
    """1: proportional; larger: closer to uniform."""
    nested: bool = True
    """True: the multilingual part of a smaller fraction is contained in that of a larger one; False: drawn anew."""
    seed: int | None = None
    """Seed of the draw; none: the cell's seed."""

    def __post_init__(self) -> None:
        given = [name for name in ("fraction", "count", "counts") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UserError(
                f"mixture.{given[0]} and mixture.{given[1]} are both set; set one, e.g. mixture.{given[1]}=null"
            )
        if self.fraction is not None and not 0 <= self.fraction <= 1:
            raise UserError(f"mixture.fraction={self.fraction} is outside 0..1; 0.01 means one per cent")
        if self.count is not None and self.count < 0:
            raise UserError(f"mixture.count={self.count} is negative; give 0 or more")
        _positive("mixture.budget", self.budget)
        self.counts = _per_language("mixture.counts", self.counts, int)
        self.weights = _per_language("mixture.weights", self.weights, (int, float))
        if self.temperature <= 0:
            raise UserError(f"mixture.temperature={self.temperature} must be above 0; 1 is proportional")


@dataclass
class TuningConfig:
    name: str = "lora"
    """Short name for folders."""
    method: Method = Method.lora
    """lora: adapters on a frozen model; full: every weight; none: the untuned base model answers."""
    rank: int = 16
    """LoRA rank."""
    alpha: float = 32.0
    """LoRA scale; the update is multiplied by alpha / rank."""
    dropout: float = 0.0
    """LoRA dropout, 0..1."""
    target: str = "all-linear"
    """Modules that get an adapter: all-linear, or a regular expression over module names."""
    lr: float | None = None
    """Peak learning rate; none: what suits the model (model.lora_lr, model.full_lr)."""
    epochs: int = 3
    """Passes over the mixture; the last incomplete batch of each pass is kept."""
    max_steps: int | None = None
    """Stop after so many optimizer steps; none: at the end of the epochs."""
    batch_size: int = 32
    """Examples per optimizer step, over all devices and micro-batches."""
    micro_batch: int | None = None
    """Examples per forward pass and device; none: the whole share at once. No part of a cell's identity."""
    schedule: Schedule = Schedule.linear
    """What the learning rate does after the warm-up."""
    warmup: int = 10
    """Optimizer steps over which the learning rate rises."""
    weight_decay: float = 0.0
    """Of AdamW."""
    clip: float = 1.0
    """Gradient norm is clipped to this; 0: not at all."""
    loss_unit: LossUnit = LossUnit.token
    """token: every supervised token of a step counts the same; example: every example does."""
    packing: Packing = Packing.auto
    """packed: no padding, documents kept apart; padded: classic; auto: packed where the self-test passes.
    No part of a cell's identity."""
    max_length: int = 1024
    """Longest training example in tokens; longer ones lose the end of the response, and are counted."""
    gradient_checkpointing: bool = False
    """Less memory, more time. No part of a cell's identity."""

    def __post_init__(self) -> None:
        for name in ("rank", "epochs", "max_steps", "batch_size", "micro_batch", "max_length"):
            _positive(f"tuning.{name}", getattr(self, name))
        for name in ("lr", "alpha"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UserError(f"tuning.{name}={value} must be above 0")
        for name in ("warmup", "weight_decay", "clip"):
            if getattr(self, name) < 0:
                raise UserError(f"tuning.{name}={getattr(self, name)} must not be negative")
        if not 0 <= self.dropout < 1:
            raise UserError(f"tuning.dropout={self.dropout} is outside 0..1")

    def learning_rate(self, model: ModelConfig) -> float:
        """Peak learning rate: the one set here, or else the model's for this method."""
        if self.lr is not None:
            return self.lr
        return model.full_lr if self.method is Method.full else model.lora_lr


@dataclass
class TrainerConfig:
    name: str = "single"
    """Short name of the group."""
    accelerator: Accelerator = Accelerator.auto
    """auto: a GPU where there is one."""
    strategy: Strategy = Strategy.single
    """single: one device; ddp: a whole model on every device, each with its share of every batch; fsdp: every device holds
    its share of the weights too."""
    devices: int = 1
    """Devices of this machine that a cell is trained on, each by a process of its own. No part of a cell's identity:
    the global batch stays the same."""
    threads: int | None = None
    """CPU threads of each process; none: the machine's cores divided by the cells and devices at work."""

    def __post_init__(self) -> None:
        _positive("trainer.devices", self.devices)
        _positive("trainer.threads", self.threads)
        if self.devices > 1 and self.strategy is Strategy.single:
            raise UserError(f"trainer.devices={self.devices} needs trainer=ddp or trainer=fsdp; trainer=single has one")


@dataclass
class GenerationConfig:
    name: str = "greedy"
    """Short name of the group."""
    max_new_tokens: int = 256
    """Longest answer in tokens."""
    batch_size: int = 64
    """Prompts per batch; prompts are sorted by length first. No part of a cell's identity."""

    def __post_init__(self) -> None:
        _positive("generation.max_new_tokens", self.max_new_tokens)
        _positive("generation.batch_size", self.batch_size)


@dataclass
class TrackingConfig:
    name: str = "auto"
    """Short name of the group."""
    mode: TrackingMode = TrackingMode.auto
    """auto and wandb: Weights & Biases, online with a key and offline without; csv, tensorboard: local; off: nothing.
    The files under multirun/ are written in every mode."""
    project: str = "pinch"
    """W&B project."""
    entity: str | None = None
    """W&B team or user; none: the account's default."""
    group: str | None = None
    """W&B group, usually the experiment; none: the workspace's name."""
    tags: list[str] = field(default_factory=list)
    """W&B tags."""
    answers: int = 8
    """Rows per language in the logged table of answers; 0: no table."""
    timeout: int = 15
    """Seconds that a process waits at most for a W&B server that does not answer; after that it goes on offline."""

    def __post_init__(self) -> None:
        _positive("tracking.timeout", self.timeout)
        if self.answers < 0:
            raise UserError(f"tracking.answers={self.answers} must not be negative; 0: no table of answers")


@dataclass
class SweepConfig:
    """How the cells of a sweep are run; no part of any cell's identity."""

    slots: int | None = None
    """Cells at work at once; none: as many as the GPUs (trainer.devices each) or the cores (model.threads each) allow; one
    on a CPU when the model asks for all threads."""
    on_failure: OnFailure = OnFailure["continue"]
    """continue: a failed cell does not stop the others; stop: after the first failure no more cells are started."""
    max_failures: int | None = None
    """After so many failed cells no more are started; none: no limit."""
    retries: int = 0
    """How often a cell that died (killed, out of memory, timed out, a broken disk) is started again in a new process.
    Failures that would come again, such as a loss that is no number, are not retried."""
    timeout: float | None = None
    """Minutes after which a cell is stopped and counted as failed; none: no limit."""
    stagger: float = 0.5
    """Seconds between the starts of worker processes, so that they do not all read the model at once."""

    def __post_init__(self) -> None:
        _positive("sweep.slots", self.slots)
        _positive("sweep.max_failures", self.max_failures)
        for name in ("retries", "stagger"):
            if getattr(self, name) < 0:
                raise UserError(f"sweep.{name}={getattr(self, name)} must not be negative")
        if self.timeout is not None and self.timeout <= 0:
            raise UserError(f"sweep.timeout={self.timeout} must be above 0; it is in minutes")


@dataclass
class PlanConfig:
    """What would run, without running it; no part of any cell's identity."""

    name: str = "off"
    """Short name of the group."""
    show: PlanShow = PlanShow.off
    """table: print the plan and stop (plan=true says the same); json: the plan for programs; files: write a cell file for
    every cell that is not done and print their paths, for a scheduler whose jobs are `python -m pinch.worker FILE`; off:
    run."""
    add_references: bool = False
    """Add the cells that scores are measured against (monolingual models, the untuned model) where they are missing, to
    the plan and to the sweep."""


@dataclass
class PartConfig:
    """Some cells of an experiment: sets of tuning languages, each tuned at every point."""

    tuned_on: TunedOn = TunedOn.named
    """alone: each of the languages on its own; together: experiment.base and all of them; adding: experiment.base and
    1, 2, ... of them, in several orders; pairs: random pairs of them; nothing: the untuned model; named: what the points
    name."""
    languages: list[str] = field(default_factory=list)
    """The languages that tuned_on speaks of; not needed for nothing and named."""
    evaluation: list[str] = field(default_factory=list)
    """As languages.evaluation, which has the last word on the command line; empty: experiment.languages, and for named what
    the points say."""
    points: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    """Settings by name, of each point as on a command line; a list of values is an axis. A point is the product of its axes,
    the part all of its points."""


@dataclass
class ExperimentConfig:
    """An experiment: parts, whose cells are trained together. What else is on the command line holds for all of them, and a
    sweep there (seed=0,1,2) multiplies with them."""

    name: str = "mine"
    """Short name; the W&B group unless tracking.group is set."""
    base: str = "en"
    """The language that the rest of the budget stays in, and that others are added to."""
    languages: list[str] = field(default_factory=lambda: list(TWELVE))
    """The study's languages: tuned on alone, together and in pairs, and evaluated in."""
    few: list[str] = field(default_factory=lambda: list(SIX))
    """Those of them, the base included, that are tuned on where others stay unseen: together, and added one by one."""
    relatives: list[str] = field(default_factory=lambda: list(SLAVIC))
    """Closely related languages, each tuned on alone and evaluated in all of them."""
    fractions: list[float] = field(default_factory=lambda: [n / 10 for n in range(11)])
    """Shares of the budget that are spread over the tuning languages, 0..1."""
    pinches: list[int] = field(default_factory=lambda: [40])
    """Numbers of examples spread over the tuning languages other than the base, beside the fractions."""
    permutations: int = 3
    """Orders in which languages are added: as `few` lists them, then shuffles. Fewer than 6 can never give p < 0.05."""
    pairs: int | None = None
    """Random pairs, from one random split of the languages into pairs after the other; none: those of one split."""
    seed: int = 0
    """Of the splits into pairs."""
    parts: dict[str, PartConfig] = field(default_factory=dict)
    """What is trained, by name. Several experiments at once, +experiment=[NAME,NAME], are all of their parts."""

    def __post_init__(self) -> None:
        self.base = canonical(str(self.base), "experiment.base")
        for name in ("languages", "few", "relatives"):
            setattr(self, name, canonical_all(getattr(self, name), f"experiment.{name}"))
        for name, part in self.parts.items():
            part.languages = canonical_all(part.languages, f"experiment.parts.{name}.languages")
            part.evaluation = canonical_all(part.evaluation, f"experiment.parts.{name}.evaluation")
        for fraction in self.fractions:
            if not 0 <= fraction <= 1:
                raise UserError(f"experiment.fractions: {fraction} is outside 0..1; 0.01 means one per cent")
        for number in self.pinches:
            _positive("experiment.pinches", number)
        _positive("experiment.permutations", self.permutations)
        _positive("experiment.pairs", self.pairs)


@dataclass
class TrainConfig:
    """Settings of train.py: one cell."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    languages: LanguagesConfig = field(default_factory=LanguagesConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    experiment: ExperimentConfig = field(default_factory=ExperimentConfig, metadata={"of": "sweeps"})
    """Of a sweep, never of a cell: hydra/sweeper=pinch makes the words of its cells of it (pinch.experiments), and it is
    written down nowhere."""
    seed: int = 0
    """Of initialisation, data order and, unless mixture.seed is set, the draw of the mixture."""
    workspace: str = "study"
    """Folder under `root` that cells of one study share."""
    root: str = "multirun"
    """Where workspaces lie."""
    cache: str | None = None
    """Where the embedded base model is kept; none: $PINCH_CACHE or ~/.cache/pinch."""
    show: Show = Show.none
    """mixture: print the realised counts per language and stop."""

    def __post_init__(self) -> None:
        check_workspace(self.workspace)

    def cache_folder(self) -> Path:
        """Where models made on this machine are kept, and what was read from the Hub."""
        return Path(self.cache or os.environ.get("PINCH_CACHE") or Path.home() / ".cache" / "pinch").expanduser()


@dataclass(frozen=True)
class Wish:
    """What one job of a sweep asks for: the words that set it apart on the command line, and its settings, or else the one
    line that says why they cannot be."""

    words: list[str]
    settings: TrainConfig | None
    error: str = ""


@dataclass
class BudgetConfig:
    """What a judge may cost in one run of evaluate.py; none: no limit. It stops before a limit is passed, and the same
    command goes on from there."""

    calls: int | None = None
    """Requests, those that are tried again included."""
    tokens: int | None = None
    """Tokens, those of the question and of the reply."""
    money: float | None = None
    """In the currency of judge.price."""

    def __post_init__(self) -> None:
        _positive("judge.budget.calls", self.calls)
        _positive("judge.budget.tokens", self.tokens)
        if self.money is not None and self.money <= 0:
            raise UserError(f"judge.budget.money={self.money} must be above 0")


@dataclass
class PriceConfig:
    """What the server takes per million tokens, in any currency; none: unknown."""

    question: float | None = None
    """Of the question (prompt tokens)."""
    reply: float | None = None
    """Of the reply (completion tokens)."""

    def __post_init__(self) -> None:
        if (self.question is None) != (self.reply is None):
            raise UserError("judge.price: give both judge.price.question and judge.price.reply, or neither")
        for name in ("question", "reply"):
            if (getattr(self, name) or 0) < 0:
                raise UserError(f"judge.price.{name}={getattr(self, name)} must not be negative")


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
            _positive(f"judge.{name}", getattr(self, name))
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
        if self.budget.money is not None and self.price.question is None:
            raise UserError(
                "judge.budget.money needs prices: judge.price.question and judge.price.reply, per million tokens"
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


@dataclass
class ScoreConfig:
    references: list[str] = field(default_factory=lambda: ["monolingual", "base"])
    """What cells are compared with. monolingual: the cell tuned on the full budget of the evaluated language;
    base: the untuned model; or the id of any cell (its last part is enough). A reference that does not exist is said and
    left out."""
    tie_rule: TieRule = TieRule.strict
    """strict: a tie unless both orders agree; average: the mean of the two orders."""
    language_gate: LanguageGate = LanguageGate.off
    """loss: an answer in the wrong language loses, whatever the judge says; off: the judge alone decides."""
    confidence: float = 0.95
    """Of every interval."""

    def __post_init__(self) -> None:
        if not self.references:
            raise UserError("score.references is empty; name monolingual, base or the id of a cell")
        _confidence("score.confidence", self.confidence)


@dataclass
class OnlyConfig:
    """Which part of a workspace is judged and scored; none: all of it."""

    cells: list[str] | None = None
    """Cells whose id contains one of these words. References are found among all cells."""
    languages: list[str] | None = None
    """Languages of the answers."""

    def __post_init__(self) -> None:
        if self.languages is not None:
            self.languages = canonical_all(self.languages, "only.languages")
        for name in ("cells", "languages"):
            if getattr(self, name) == []:
                raise UserError(f"only.{name} is empty; name some, or leave it out for all")


@dataclass
class EvaluateConfig:
    """Settings of evaluate.py: judge and score every cell of a workspace that has answers."""

    judge: JudgeConfig = field(default_factory=JudgeConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    """table, json: what judging would take (plan=true); nothing is judged."""
    only: OnlyConfig = field(default_factory=OnlyConfig)
    reparse: bool = False
    """Read the stored replies again by today's rules, without any call, and show what changed."""
    check: bool = False
    """Put the judge through the injection set and its sanity questions instead of judging cells."""
    export: Exchange = Exchange.none
    """alpaca_eval: write the answers and their references as model_outputs.json files instead of judging."""
    annotations: str | None = None
    """An annotations.json of AlpacaEval, to be scored here under judge.name instead of judging."""
    workspace: str = "study"
    """Folder under `root` whose cells are judged."""
    root: str = "multirun"
    """Where workspaces lie."""

    def __post_init__(self) -> None:
        check_workspace(self.workspace)
        if self.plan.show is PlanShow.files or self.plan.add_references:
            raise UserError("plan=files and plan.add_references are of train.py; here are plan=true and plan=json")


@dataclass
class AnalyzeConfig:
    """Settings of analyze.py: tables, figures and a report from the scores of a workspace."""

    judge: JudgeConfig = field(default_factory=JudgeConfig)
    """The judge whose scores are shown; only its name is used."""
    workspace: str = "study"
    """Folder under `root` that is analysed."""
    root: str = "multirun"
    """Where workspaces lie."""
    confidence: float = 0.95
    """Of every interval."""
    resamples: int = 2000
    """Bootstrap resamples of simultaneous bands."""
    shares: str | None = None
    """CSV file with the languages' shares of the model's pre-training documents: language,share,source, share in percent.
    Only those of the embedded model are known here."""
    tracking: TrackingConfig = field(default_factory=lambda: TrackingConfig("off", TrackingMode.off))
    """wandb: the analysis becomes a W&B run, with figures, tidy table and findings; nothing else takes an analysis."""
    dashboard: bool = False
    """Build a W&B dashboard over the runs of tracking.project, of tracking.group where that is set; needs the extra
    dashboard and a key."""

    def __post_init__(self) -> None:
        check_workspace(self.workspace)
        _confidence("confidence", self.confidence)
        _positive("resamples", self.resamples)


TranslationEngine = Enum("TranslationEngine", {"import": "import", "api": "api", "hf": "hf"})


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


CHECKS = ("failed", "missing", "empty", "lines", "language", "length", "spans", "digits", "repetition", "copy")
"""What may be wrong with a translated row."""


@dataclass
class EngineConfig:
    """What translates."""

    kind: TranslationEngine = TranslationEngine["import"]
    """import: finished files of yours, checked and made parallel; api: a model behind an OpenAI-compatible chat server;
    hf: a sequence-to-sequence model of transformers (NLLB, M2M100, MADLAD and those built like them)."""
    files: list[str] = field(default_factory=list)
    """import only: files or folders with translated rows, under the ids of the source; a folder holds <language>.jsonl
    files."""
    model: str | None = None
    """api: the model's name at the server; hf: a folder or a hub id."""
    unit: Unit = Unit.auto
    """What the engine gets at a time; auto: lines with api, sentences with hf, whose models lose what comes after the
    first."""
    max_tokens: int = 512
    """Longest translation of one sentence or line in tokens; one that is cut off there is rejected. api: hidden reasoning
    included."""

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

    base_url: str | None = None
    """api only: the server's address up to and including /v1; none: $OPENAI_BASE_URL, else that of OpenAI."""
    key: str = "OPENAI_API_KEY"
    """api only: the environment variable that holds the key; the key itself is never written anywhere."""
    concurrency: int = 16
    """api only: requests under way at once."""
    timeout: float = 120.0
    """api only: seconds for one whole reply."""
    retries: int = 6
    """api only: how often a request that failed is sent again."""
    asks: int = 2
    """api only: how often a text is sent at most when the reply holds no translation."""
    temperature: float | None = 0.0
    """api only: of the sampling; none: not sent."""
    seed: int | None = 0
    """api only: sent with every request; none: not sent."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    """api only: what one run may cost; it stops before a limit is passed, and the same command goes on from there."""
    price: PriceConfig = field(default_factory=PriceConfig)

    def __post_init__(self) -> None:
        kind = self.kind.value
        if kind != "import" and not self.model:
            what = "the model's name at the server" if kind == "api" else "a folder or a hub id"
            raise UserError(f"engine.model is not set; give {what}, e.g. engine={kind} engine.model=...")
        for name in ("max_tokens", "batch_size", "beams", "concurrency", "asks"):
            _positive(f"engine.{name}", getattr(self, name))
        if self.retries < 0:
            raise UserError(f"engine.retries={self.retries} must not be negative")
        if self.timeout <= 0:
            raise UserError(f"engine.timeout={self.timeout} must be above 0; it is in seconds")
        if self.temperature is not None and self.temperature < 0:
            raise UserError(f"engine.temperature={self.temperature} must not be negative; null: not sent")
        if self.budget.money is not None and self.price.question is None:
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
                "engine=import needs the translated files, e.g. 'engine.files=[ru.jsonl]'; or choose engine=api or engine=hf"
            )
        if self.ratio <= 1:
            raise UserError(f"ratio={self.ratio} must be above 1, e.g. 2")
        for name in self.reject:
            if name not in CHECKS:
                raise UserError(f"reject: there is no check {name!r}{did_you_mean(name, CHECKS)}")
        if self.plan.show is PlanShow.files or self.plan.add_references:
            raise UserError("plan=files and plan.add_references are of train.py; here are plan=true and plan=json")


SCHEMAS: dict[str, type[Any]] = {
    "train": TrainConfig,
    "evaluate": EvaluateConfig,
    "analyze": AnalyzeConfig,
    "translate": TranslateConfig,
}
"""Root schema of each door, by the name of its top-level YAML in conf/."""


def check_workspace(name: str) -> None:
    """A workspace is one folder name. Raises UserError for anything that would leave `root`."""
    if not name or name in (".", "..") or "/" in name or "\\" in name:
        raise UserError(f"workspace={name!r} must be a plain folder name, without slashes")


def _per_language(name: str, given: Any, kind: Any) -> dict[str, Any] | None:
    """A {language: number} setting with canonical codes. Raises UserError for anything else."""
    if given is None:
        return None
    if not isinstance(given, dict) or any(isinstance(n, bool) or not isinstance(n, kind) for n in given.values()):
        whole = "whole " if kind is int else ""
        raise UserError(f"{name}={given} must give a {whole}number per language, e.g. '{name}={{en: 10, fi: 5}}'")
    return {canonical(str(code), name): number for code, number in given.items()}


def _positive(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise UserError(f"{name}={value} must be 1 or more")


def _confidence(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UserError(f"{name}={value} must lie between 0 and 1, e.g. 0.95")
