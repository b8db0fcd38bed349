"""The few collective operations that the package needs, and their single-process forms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as torch_dist
from torch import Tensor, nn

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long a rank waits in a collective: as long as rank 0 may need to write or a strategy to choose.

A rank that died is noticed by whoever started the ranks, not by this time-out.
"""


@dataclass(frozen=True)
class World:
    """This process among the processes of the experiment.

    With ``size == 1`` every operation is the identity, so code is written once for any number of ranks.

    Attributes:
        rank: This process, ``0 <= rank < size``.
        size: Number of processes.
        device: Where collectives take their tensors (the GPU for NCCL).
        control: A process group on the CPU for small questions; None: the default one.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")
    control: Any = None

    @classmethod
    def join(cls, rank: int, size: int, device: torch.device) -> World:
        """Take this process's place in the process group that Lightning has made."""
        control = None
        if size > 1 and torch_dist.get_backend() != "gloo":
            # Questions such as "was anyone told to stop?" go over the CPU and don't wait for the GPU's queue.
            control = torch_dist.new_group(backend="gloo", timeout=PATIENCE)
        return cls(rank, size, device, control)

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
        torch_dist.all_reduce(total)
        return total.to(tensor.device)

    def largest(self, values: Sequence[int]) -> list[int]:
        """Return the elementwise maximum over ranks of a few integers, without waiting for a GPU."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.int64)
        torch_dist.all_reduce(tensor, op=torch_dist.ReduceOp.MAX, group=self.control)
        return [int(v) for v in tensor]

    def sync_buffers(self, module: nn.Module) -> None:
        """Give every rank rank 0's buffers, e.g. BatchNorm's running statistics.

        Each rank's statistics come from its own share of the batches; an evaluation that is split over
        ranks needs one network.
        """
        if self.size == 1:
            return
        for buffer in module.buffers():
            moved = buffer.detach().to(self.device)
            torch_dist.broadcast(moved, src=0)
            buffer.copy_(moved)

    def broadcast(self, value: T) -> T:
        """Return rank 0's (picklable) value on every rank."""
        if self.size == 1:
            return value
        box = [value]
        torch_dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def barrier(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            torch_dist.barrier()

    def gather_rows(self, rows: Tensor, n_total: int) -> Tensor:
        """Undo :meth:`shard`: interleave the shards' rows into one tensor on every rank.

        Args:
            rows: This rank's rows, shape ``(n_rank, ...)``; their order is that of :meth:`shard`.
            n_total: Number of rows over all ranks.

        Returns:
            Shape ``(n_total, ...)`` on the device of ``rows``.
        """
        if self.size == 1:
            return rows
        longest = -(-n_total // self.size)
        padded = torch.zeros((longest, *rows.shape[1:]), dtype=rows.dtype, device=self.device)
        padded[: rows.shape[0]] = rows
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        torch_dist.all_gather(parts, padded)
        merged = torch.stack(parts, dim=1).reshape(longest * self.size, *rows.shape[1:])
        return merged[:n_total].to(rows.device)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average the gradients of a module that is not wrapped by DDP, in place, in one collective."""
        if self.size == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        if not grads:
            return
        flat = torch.cat([g.reshape(-1) for g in grads]).to(self.device)
        torch_dist.all_reduce(flat)
        flat /= self.size
        offset = 0
        for grad in grads:
            grad.copy_(flat[offset : offset + grad.numel()].view_as(grad))
            offset += grad.numel()
