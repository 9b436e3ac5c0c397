"""Pre-trains a small Llama from scratch on one stream of tokens.

In: a model, token ids and a schedule. Out: the same model, trained. Speed decides what the embedded world can teach, so two
half-batches run in two Python threads of one torch thread each (measured on two cores: 1.2 times the tokens per second
of two torch threads when idle, 3 times with a busy neighbour, and the same weights whatever the scheduling), the loss
writes its gradient in place (1.3 times), and the matrices are trained with Muon.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """How the tokens are shown: packed blocks, one pass, linear warm-up, plateau, linear decay to zero."""

    block: int = 64
    """Tokens per packed block."""
    batch: int = 32
    """Blocks per step; halved over two threads."""
    matrix_rate: float = 0.015
    """Muon learning rate of the matrices inside the layers."""
    other_rate: float = 3e-3
    """AdamW learning rate of the embeddings and norms."""
    warmup: int = 20
    """Steps."""
    plateau: float = 0.3
    """Share of the steps before the decay begins."""
    seed: int = 0
    """Order of the blocks."""


def train(
    model: Any,
    tokens: Tensor,
    learned: Tensor,
    schedule: Schedule,
    report: Callable[[float, float], None] | None = None,
) -> float:
    """One pass over `tokens` (1-d int64); returns the mean loss of the last tenth, in nats per token.

    `report(share done, loss)` is called every ten steps. Global random state and thread count are left as they were.
    """
    width = schedule.block + 1
    blocks, wanted = (x[: len(x) // width * width].view(-1, width) for x in (tokens, learned))
    order = torch.randperm(len(blocks), generator=torch.Generator().manual_seed(schedule.seed))
    steps = len(blocks) // schedule.batch
    replica = copy.deepcopy(model)
    for own, twin in zip(model.parameters(), replica.parameters(), strict=True):
        twin.data = own.data  # one set of weights, two sets of gradients
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    muons = Muon.by_shape(matrices)
    adam = torch.optim.AdamW(others, lr=schedule.other_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    losses: list[float] = []
    with one_torch_thread(), ThreadPoolExecutor(2) as pool:
        for step in range(steps):
            chosen = order[step * schedule.batch : (step + 1) * schedule.batch]
            halves = list(pool.map(_backward, (model, replica), blocks[chosen].chunk(2), wanted[chosen].chunk(2)))
            for own, twin in zip(model.parameters(), replica.parameters(), strict=True):
                own.grad = (own.grad + twin.grad) / 2
                twin.grad = None
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            rate = _rate(step, steps, schedule)
            adam.param_groups[0]["lr"] = schedule.other_rate * rate
            list(pool.map(Muon.step, muons, [schedule.matrix_rate * rate] * len(muons)))
            adam.step()
            model.zero_grad(set_to_none=True)
            losses.append(sum(halves) / 2)
            if report is not None and step % 10 == 0:
                report(step / steps, losses[-1])
    tail = losses[-max(1, steps // 10) :]
    return sum(tail) / len(tail)


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Sets torch to one intra-op thread and restores the count afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rate(step: int, steps: int, schedule: Schedule) -> float:
    """Multiplier of the learning rates at this step."""
    done = step / steps
    decay = min(1.0, (1.0 - done) / (1.0 - schedule.plateau))
    return min(1.0, (step + 1) / schedule.warmup) * decay


def _backward(model: Any, blocks: Tensor, learned: Tensor) -> float:
    """Mean next-token loss over the positions to be learned, backward done; in nats per token."""
    hidden = model.model(input_ids=blocks[:, :-1], use_cache=False).last_hidden_state
    targets, kept = blocks[:, 1:], learned[:, 1:]
    loss = _InPlaceCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden[kept], model.get_output_embeddings().weight, targets[kept]
    )
    loss.backward()
    return float(loss.detach())


class _InPlaceCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `hidden @ embedding.T`, its gradients made in one buffer while the logits are in cache."""

    ROWS = 512

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, embedding: Tensor, target: Tensor) -> Tensor:
        n = len(hidden)
        d_hidden, d_embedding = torch.empty_like(hidden), torch.zeros_like(embedding)
        buffer = torch.empty(_InPlaceCrossEntropy.ROWS, len(embedding))
        total = hidden.new_zeros(())
        for start in range(0, n, _InPlaceCrossEntropy.ROWS):
            rows = slice(start, start + _InPlaceCrossEntropy.ROWS)
            wanted = target[rows, None]
            logits = torch.mm(hidden[rows], embedding.t(), out=buffer[: len(wanted)])
            # No maximum is subtracted: logits of normed states and small embeddings stay far below exp's limit of 88.
            score = logits.gather(1, wanted)
            partition = logits.exp_().sum(1, keepdim=True)
            total += (partition.log() - score).sum()
            logits.div_(partition * n).scatter_add_(1, wanted, torch.full_like(score, -1.0 / n))
            torch.mm(logits, embedding, out=d_hidden[rows])
            d_embedding.addmm_(logits.t(), hidden[rows])
        ctx.save_for_backward(d_hidden, d_embedding)
        return total / n

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        d_hidden, d_embedding = ctx.saved_tensors
        return d_hidden * upstream[0], d_embedding * upstream[0], None


class Muon:
    """Momentum orthogonalised by Newton-Schulz iterations (Jordan et al. 2024), for matrices of one shape in one batch.

    A matrix of the transposed shape is one of them: it is updated transposed.
    """

    COEFFICIENTS = (3.4445, -4.7750, 2.0315)

    def __init__(
        self, matrices: list[Tensor], momentum: float = 0.95, decay: float = 0.01, iterations: int = 4
    ) -> None:
        self.matrices, self.momentum, self.decay, self.iterations = matrices, momentum, decay, iterations
        self.buffer = torch.zeros(len(matrices), *sorted(matrices[0].shape))

    @classmethod
    def by_shape(cls, matrices: list[Tensor]) -> list[Muon]:
        """One optimizer per shape; they share nothing, so they may step at the same time."""
        shapes = sorted({tuple(sorted(m.shape)) for m in matrices})
        return [cls([m for m in matrices if tuple(sorted(m.shape)) == shape]) for shape in shapes]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update with the gradients that are set; `rate` is the learning rate."""
        gradient = torch.stack([_wide(_grad(m)) for m in self.matrices])
        self.buffer.lerp_(gradient, 1 - self.momentum)
        update = self._orthogonal(torch.lerp(gradient, self.buffer, self.momentum))
        scale = 0.2 * math.sqrt(self.buffer.shape[-1])  # the update's size matches AdamW's (Liu et al. 2025)
        for m, u in zip(self.matrices, update, strict=True):
            _wide(m.data).mul_(1 - rate * self.decay).add_(u, alpha=-rate * scale)

    def _orthogonal(self, x: Tensor) -> Tensor:
        a, b, c = self.COEFFICIENTS
        x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
        for _ in range(self.iterations):
            gram = x @ x.mT
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x


def _wide(matrix: Tensor) -> Tensor:
    """A view with at least as many columns as rows."""
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.t()


def _grad(matrix: Tensor) -> Tensor:
    """The gradient that backward has set."""
    assert matrix.grad is not None
    return matrix.grad
