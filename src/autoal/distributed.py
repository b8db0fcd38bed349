"""The few collective operations that the package needs, and their single-process forms."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as torch_dist
from torch import Tensor, nn

from autoal.processes.watch import Watch

T = TypeVar("T")

TIMEOUT = timedelta(minutes=30)
"""How long a rank waits in a collective, unless ``trainer.timeout_min`` says otherwise.

Ranks that have long work of their own to do meet before the next collective (:meth:`World.meet`), where they wait
for as long as the others make progress.
"""


GATHER_BYTES = 32 << 20
"""What a gathering of rows holds at a time besides its result."""


@dataclass(frozen=True)
class World:
    """This process among the processes of the experiment.

    With ``size == 1`` every operation is the identity, so code is written once for any number of ranks.

    Attributes:
        rank: This process, ``0 <= rank < size``.
        size: Number of processes.
        device: Where collectives take their tensors (the GPU for NCCL).
        control: A process group on the CPU for small questions; None: the default one.
        watch: Knows what the other ranks are at.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    control: Any = None
    watch: Watch = field(default_factory=Watch, compare=False, repr=False)

    @classmethod
    def join(
        cls,
        rank: int,
        size: int,
        device: torch.device,
        watch: Watch | None = None,
        timeout: timedelta = TIMEOUT,
    ) -> World:
        """Take this process's place in the process group that Lightning has made.

        Args:
            rank: This process.
            size: Number of processes.
            device: Where collectives take their tensors.
            watch: Begins to watch over the others; None: nobody does.
            timeout: How long a question on the CPU waits.
        """
        control: Any = None
        if size > 1 and torch_dist.get_backend() != "gloo":
            # Questions such as "was anyone told to stop?" go over the CPU and don't wait for the GPU's queue.
            control = torch_dist.new_group(backend="gloo", timeout=timeout)
        if watch is not None and size > 1:

            def exchange(value: Any) -> list[Any]:
                every: list[Any] = [None] * size
                torch_dist.all_gather_object(every, value, group=control)
                return every

            watch.join(rank, size, exchange, os.environ.get("MASTER_ADDR", "127.0.0.1"))
        return cls(rank, size, device, control, watch or Watch())

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, the only one that writes files."""
        return self.rank == 0

    def shard(self, ids: Tensor) -> Tensor:
        """Return this rank's rows of ``ids``: every ``size``-th one, without padding."""
        return ids[self.rank :: self.size]

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over ranks (a new tensor, the same on every rank)."""
        if self.size == 1:
            return tensor
        total = tensor.detach().clone().to(self.device)
        with self.watch.together("a sum over the ranks"):
            torch_dist.all_reduce(total)
        return total.to(tensor.device)

    def largest(self, values: Sequence[int]) -> list[int]:
        """Return the elementwise maximum over ranks of a few integers, without waiting for a GPU."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.int64)
        with self.watch.together("an agreement of the ranks"):
            torch_dist.all_reduce(tensor, op=torch_dist.ReduceOp.MAX, group=self.control)
        return [int(v) for v in tensor]

    def sync_buffers(self, module: nn.Module) -> None:
        """Give every rank rank 0's buffers, e.g. BatchNorm's running statistics.

        Each rank's statistics come from its own share of the batches; an evaluation that is split over
        ranks needs one network.
        """
        if self.size == 1:
            return
        with self.watch.together("the exchange of batch statistics"):
            for buffer in module.buffers():
                moved = buffer.detach().to(self.device)
                torch_dist.broadcast(moved, src=0)
                buffer.copy_(moved)

    def broadcast(self, value: T) -> T:
        """Return rank 0's (picklable) value on every rank."""
        if self.size == 1:
            return value
        box = [value]
        with self.watch.together("rank 0's word"):
            torch_dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def meet(self, what: str) -> None:
        """Wait until every rank is here, however long that takes, as long as those that are not make progress.

        Args:
            what: Named in the line about a rank that does not come.
        """
        self.watch.meet(what)

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            with self.watch.together("a barrier"):
                torch_dist.barrier()

    def gather_rows(self, rows: Tensor, n_total: int) -> Tensor:
        """Undo :meth:`shard`: interleave the shards' rows into one tensor on every rank.

        Args:
            rows: This rank's rows, shape ``(n_rank, ...)``; their order is that of :meth:`shard`, and their type
                the same on every rank, also on one without rows.
            n_total: Number of rows over all ranks.

        Returns:
            Shape ``(n_total, ...)`` on the device of ``rows``.
        """
        if self.size == 1:
            return rows
        shape = rows.shape[1:]
        longest = -(-n_total // self.size)
        merged = torch.empty((n_total, *shape), dtype=rows.dtype, device=rows.device)
        # In blocks that go straight to their places: what is needed besides the result is one block per rank.
        block = max(1, GATHER_BYTES // max(1, rows.element_size() * shape.numel() * self.size))
        for low in range(0, longest, block):
            high = min(longest, low + block)
            own = rows[low:high]
            padded = torch.zeros((high - low, *shape), dtype=rows.dtype, device=self.device)
            padded[: len(own)] = own
            parts = [torch.empty_like(padded) for _ in range(self.size)]
            with self.watch.together("a gathering of rows"):
                torch_dist.all_gather(parts, padded)
            for rank, part in enumerate(parts):
                place = merged[low * self.size + rank : high * self.size : self.size]
                place.copy_(part[: len(place)])
        return merged

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average the gradients of a module that is not wrapped by DDP, in place, in one collective."""
        if self.size == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        if not grads:
            return
        flat = torch.cat([g.reshape(-1) for g in grads]).to(self.device)
        with self.watch.together("a step"):
            torch_dist.all_reduce(flat)
        flat /= self.size
        offset = 0
        for grad in grads:
            grad.copy_(flat[offset : offset + grad.numel()].view_as(grad))
            offset += grad.numel()
