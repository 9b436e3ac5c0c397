"""Edge: the processes (ranks) that work on one cell together, one per device of one machine.

    joined(rank, world, store, gpu)   the group, from where all ranks have met to the end of the cell
    Ranks, ALONE                      what ranks decide, gather and sum together; alone all of that costs nothing
    Ranks.spread(net)                 spreads weights over the ranks (FSDP2); `whole` puts them together again

All ranks call the same methods in the same order. One that fails simply raises: the others hear of it, and of its reason, as
`Abandoned`, or are ended by the sweep that started them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pinch import cells
from pinch.errors import CellError, PinchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

Value = TypeVar("Value")

PATIENCE = timedelta(minutes=30)
"""How long ranks wait for each other: longer than one language takes to be answered, or the embedded model to be made."""

REASON = "reason"
"""Key under which a rank that fails leaves its words for the others."""

BUCKET = 64 * 2**20
"""Bytes of gradients that are summed in one message."""


class Abandoned(PinchError):  # noqa: N818 - what happened to this rank, not what it did wrong
    """Another rank of the cell has ended, which is no reason of this one's."""


@dataclass(frozen=True)
class Ranks:
    """This process among the `world` processes of a cell; rank 0 decides, tells and writes. `spread_on`: this rank's device,
    where weights are spread over the ranks (trainer=fsdp); none: every rank has all of them. `store`: where they met."""

    rank: int = 0
    world: int = 1
    spread_on: "torch.device | None" = None
    store: Any = field(default=None, repr=False)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Raise Abandoned for what torch raises when another rank is gone."""
        if self.world == 1:
            yield
            return
        from torch import distributed

        try:
            yield
        except RuntimeError as error:
            if isinstance(error, distributed.DistError) or "gloo" in str(error):
                raise Abandoned(self._reason()) from error
            raise

    def _reason(self) -> str:
        if self.store.check([REASON]):
            return str(self.store.get(REASON).decode())
        return "another process of the cell is gone: killed by hand, or because the machine ran out of memory"

    @property
    def first(self) -> bool:
        return self.rank == 0

    def agree(self, decide: Callable[[], Value]) -> Value:
        """What rank 0 decides, on every rank; what it raises is raised on every rank, in the same words."""
        if self.world == 1:
            return decide()
        from torch import distributed

        told: list[Any] = [None, None, None]
        failure: Exception | None = None
        if self.first:
            try:
                told[0] = decide()
            except Exception as error:
                failure = error
                ours = isinstance(error, PinchError)
                told[1] = error if ours else RuntimeError(f"rank 0: {type(error).__name__}: {error}")
                told[2] = error.__cause__ if isinstance(error.__cause__, OSError) else None  # a retry may help then
        with self.watch():
            distributed.broadcast_object_list(told, src=0)
        if failure is not None:
            raise failure
        decided, refusal, cause = told
        if refusal is not None:
            raise refusal from cause
        agreed: Value = decided
        return agreed

    def gather(self, value: Value) -> list[Value]:
        """Every rank's value, in the order of the ranks, on every rank."""
        if self.world == 1:
            return [value]
        from torch import distributed

        found: list[Any] = [None] * self.world
        with self.watch():
            distributed.all_gather_object(found, value)
        return found

    def sum(self, *numbers: float) -> list[float]:
        """The sums of the ranks' numbers, one by one, on every rank."""
        if self.world == 1:
            return list(numbers)
        import torch
        from torch import distributed

        total = torch.tensor(numbers, dtype=torch.float64)
        with self.watch():
            distributed.all_reduce(total)
        return [float(number) for number in total]

    def sum_gradients(self, weights: Sequence["Tensor"]) -> None:
        """Replace every gradient by its sum over the ranks. A weight that has none here counts as zero, one that has none
        anywhere stays without, as it would with one rank."""
        if self.world == 1:
            return
        import torch
        from torch import distributed

        taught = self.sum(*(float(weight.grad is not None) for weight in weights))
        gradients = []
        for weight, number in zip(weights, taught, strict=True):
            if number:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                gradients.append(weight.grad)
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            with self.watch():
                distributed.all_reduce(flat)
            parts = torch.split(flat, [gradient.numel() for gradient in bucket])
            for gradient, part in zip(bucket, parts, strict=True):
                gradient.copy_(part.view_as(gradient))

    def spread(self, net: "PreTrainedModel") -> None:
        """Spread the weights of `net` over the ranks, if they are to be: those of a layer come together for as long as it is
        computed, and gradients are summed over the ranks. Raises CellError for a network that cannot be spread."""
        if self.spread_on is None:
            return
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import FSDPModule, fully_shard

        names = set(net._no_split_modules or ())
        layers = [module for module in net.modules() if type(module).__name__ in names]
        if not layers:
            raise CellError(f"trainer=fsdp: {type(net).__name__} does not say which its layers are; use trainer=ddp")
        _let_go(net)
        mesh = init_device_mesh(self.spread_on.type, (self.world,))
        try:
            for module in [*reversed(layers), net]:  # the inner ones first
                fully_shard(module, mesh=mesh)
                assert isinstance(module, FSDPModule)
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)  # gloo knows no other
        except (ValueError, NotImplementedError) as error:
            line = str(error).split("\n")[0]
            raise CellError(f"trainer=fsdp: the model cannot be spread ({line}); use trainer=ddp") from error

    def settle(self, net: "PreTrainedModel") -> None:
        """After forward passes for their own sake: spread again what is together, even where a pass was broken off."""
        if self.spread_on is not None:
            spread: Any = net
            reset = getattr(spread, "reset_iter_state", spread.reshard)  # some torch knows only how to end a whole pass
            reset()

    def whole(self, net: "torch.nn.Module") -> dict[str, "Tensor"] | None:
        """The trained weights of a spread network, put together in the first rank's memory; none where nothing is spread."""
        if self.spread_on is None:
            return None
        found = {}
        for name, weight in net.named_parameters():
            if weight.requires_grad:
                part: Any = weight.detach()
                with self.watch():
                    value = part.full_tensor()
                if self.first:
                    found[name] = value.cpu()
        return found


ALONE = Ranks()


def local(weight: "Tensor") -> "Tensor":
    """The part of a weight that this rank holds: all of it, unless it is spread."""
    part: Tensor = weight.to_local() if hasattr(weight, "to_local") else weight
    return part


@contextmanager
def joined(rank: int, world: int, store: Path | None, gpu: bool) -> Iterator[Ranks]:
    """Meet the other ranks through the file `store`, which is not there yet and lies on this machine. On GPUs, rank n takes
    the n-th that the process can see. Environment variables play no part."""
    if world == 1:
        yield ALONE
        return
    import torch
    from torch import distributed

    if gpu:
        torch.cuda.set_device(rank)
    meeting: Any = distributed
    ranks = Ranks(rank, world, store=meeting.FileStore(str(store), world))
    with ranks.watch():
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if gpu else "gloo",
            store=ranks.store,
            rank=rank,
            world_size=world,
            timeout=PATIENCE,
        )
    if (distributed.get_rank(), distributed.get_world_size()) != (rank, world):
        raise CellError(f"rank {rank} of {world} met others than the ranks of its cell; run the cell again")
    try:
        yield ranks
    except BaseException as error:
        if not isinstance(error, Abandoned):
            ranks.store.set(REASON, f"rank {rank} has failed: {cells.describe(error)}")
        raise  # and leave the group as it is: to end it could mean to wait for ranks that are gone
    distributed.destroy_process_group()


def _let_go(net: "torch.nn.Module") -> None:
    """Give the network tensors of its own over the same memory: others may use those it has, and spreading moves them."""
    import torch

    own: dict[int, Any] = {}
    for module in net.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                if id(weight) not in own:  # tied weights stay tied
                    own[id(weight)] = torch.nn.Parameter(weight.detach(), weight.requires_grad)
                module._parameters[name] = own[id(weight)]
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else buffer.detach()


def _buckets(gradients: Sequence["Tensor"]) -> Iterator[list["Tensor"]]:
    """Neighbours of one type, up to so many bytes together; a larger gradient stays alone."""
    bucket: list[Tensor] = []
    filled = 0
    for gradient in gradients:
        size = gradient.numel() * gradient.element_size()
        if bucket and (filled + size > BUCKET or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket, filled = [], 0
        bucket.append(gradient)
        filled += size
    if bucket:
        yield bucket
