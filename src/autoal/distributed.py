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


GATHER_BYTES = 8 << 20
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
        self._sync(module.buffers(), "the exchange of batch statistics")

    def sync(self, module: nn.Module) -> None:
        """Give every rank rank 0's parameters and buffers."""
        self._sync((*module.parameters(), *module.buffers()), "the exchange of a network")

    def _sync(self, tensors: Iterable[Tensor], what: str) -> None:
        if self.size == 1:
            return
        with self.watch.together(what):
            for tensor in tensors:
                moved = tensor.detach().to(self.device)
                torch_dist.broadcast(moved, src=0)
                tensor.detach().copy_(moved)

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
        merged = torch.empty((n_total, *rows.shape[1:]), dtype=rows.dtype, device=rows.device)
        merged[self.rank :: self.size] = rows
        self.fill_in(merged)
        return merged

    def fill_in(self, rows: Tensor) -> None:
        """Let the rows of all ranks come to the places that :meth:`shard` has taken them from, in place.

        What is needed besides the tensor itself is a few times :data:`GATHER_BYTES`.

        Args:
            rows: Shape ``(n, ...)``, of one type on every rank; this rank's ``rows[rank::size]`` are there.
        """
        if self.size == 1 or not len(rows):
            return
        shape = rows.shape[1:]
        mine = rows[self.rank :: self.size]
        longest = -(-len(rows) // self.size)
        step = min(longest, max(1, GATHER_BYTES // max(1, rows.element_size() * shape.numel() * self.size)))
        own = torch.zeros((step, *shape), dtype=rows.dtype, device=self.device)
        parts = [torch.empty_like(own) for _ in range(self.size)]
        for low in range(0, longest, step):
            count = min(step, longest - low)
            part = mine[low : low + count]
            own[: len(part)] = part
            with self.watch.together("a gathering of rows"):
                torch_dist.all_gather([p[:count] for p in parts], own[:count])
            for rank, found in enumerate(parts):
                if rank != self.rank:
                    place = rows[low * self.size + rank : (low + count) * self.size : self.size]
                    place.copy_(found[: len(place)])

    def exchange_rows(self, own: Tensor, rows: Tensor) -> Tensor:
        """Return this rank's share of some rows of a tensor of which every rank holds a share.

        Args:
            own: This rank's rows as :meth:`shard` deals them, ``(N_rank, ...)``.
            rows: Which rows of all ``(B,)``, the same on every rank, on the CPU.

        Returns:
            The rows ``shard(rows)``, ``(B_rank, ...)``.
        """
        if self.size == 1:
            return own[rows.to(own.device)]
        mine = own[:0]
        for rank in range(self.size):
            wanted = rows[rank :: self.size]
            if not len(wanted):
                continue
            here = (wanted % self.size == self.rank).nonzero().squeeze(1)
            # Each row comes from one rank; what the others add is zero.
            part = own.new_zeros((len(wanted), *own.shape[1:]))
            part[here.to(own.device)] = own[(wanted[here] // self.size).to(own.device)]
            with self.watch.together("an exchange of samples"):
                torch_dist.reduce(part, dst=rank)
            if rank == self.rank:
                mine = part
        return mine

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
