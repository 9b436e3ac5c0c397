"""Shapes: how a tuned model answers."""

from dataclasses import dataclass, field
from enum import Enum

from pinch.config.checks import positive
from pinch.errors import UserError


class GenerationEngine(Enum):
    hf = "hf"
    server = "server"
    none = "none"


@dataclass
class ServerConfig:
    """A server with an OpenAI-compatible completions interface that holds the base model and takes adapters."""

    base_url: str | None = None
    """The server's address up to and including /v1, e.g. http://localhost:8000/v1."""
    model: str | None = None
    """The base model's name at the server; none: the one that it lists, where it lists a single one."""
    key: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; the key itself is never written anywhere. Not needed where the server
    asks for none."""
    concurrency: int = 64
    """Requests under way at once."""
    timeout: float = 300.0
    """Seconds for one whole answer."""
    retries: int = 6
    """How often a request that failed (busy server, broken connection) is sent again."""

    def __post_init__(self) -> None:
        positive("generation.server.concurrency", self.concurrency)
        if self.retries < 0:
            raise UserError(f"generation.server.retries={self.retries} must not be negative")
        if self.timeout <= 0:
            raise UserError(f"generation.server.timeout={self.timeout} must be above 0; it is in seconds")


@dataclass
class GenerationConfig:
    name: str = "greedy"
    """Short name of the group."""
    engine: GenerationEngine = GenerationEngine.hf
    """hf: this process; server: a server that serves the tuned adapters (docs/generation.md); none: cells are only
    tuned, and the same command with another engine lets them answer. No part of a cell's identity, but recorded beside its
    answers."""
    max_new_tokens: int = 256
    """Longest answer in tokens."""
    do_sample: bool = False
    """False: greedy, the most probable token at every step; True: drawn, with random numbers that follow from the cell's
    seed, the prompt and the step, whatever the batch. What follows is of sampling, and as in transformers."""
    temperature: float = 1.0
    """Above 0; smaller: closer to greedy."""
    top_p: float = 1.0
    """Only the most probable tokens that together have this probability, 0..1; 1: all."""
    top_k: int | None = None
    """Only so many most probable tokens; none: all."""
    min_p: float | None = None
    """Only tokens with at least this share of the most probable one's probability, 0..1; none: all."""
    repetition_penalty: float = 1.0
    """Also of greedy answers. Above 1: tokens that occur already, in the prompt too, become less probable; 1: off."""
    batch_size: int = 64
    """hf only: prompts per batch; prompts are sorted by length first. No part of a cell's identity."""
    server: ServerConfig = field(default_factory=ServerConfig)
    """server only. No part of a cell's identity."""

    def __post_init__(self) -> None:
        positive("generation.max_new_tokens", self.max_new_tokens)
        positive("generation.batch_size", self.batch_size)
        positive("generation.top_k", self.top_k)
        for name in ("temperature", "repetition_penalty"):
            if getattr(self, name) <= 0:
                raise UserError(f"generation.{name}={getattr(self, name)} must be above 0")
        if not 0 < self.top_p <= 1:
            raise UserError(f"generation.top_p={self.top_p} must be above 0, at most 1")
        if self.min_p is not None and not 0 <= self.min_p <= 1:
            raise UserError(f"generation.min_p={self.min_p} is outside 0..1")
        if self.engine is GenerationEngine.server and not self.server.base_url:
            raise UserError(
                "generation=server needs the server's address, e.g. generation.server.base_url=http://localhost:8000/v1"
            )
