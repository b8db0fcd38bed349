"""Optimiser steps of a search, which one, two or three ranks take alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autoal.distributed import World
from autoal.search.networks import has_batch_statistics
from autoal.training.precision import Mixed

REPORT_EVERY = 10
"""Steps between two words on the progress."""


@dataclass(frozen=True)
class Share:
    """A rank's part of each global batch of one network.

    A network with batch norm sees the whole batch on every rank, because its outputs depend on who is in it;
    any other network gets every ``size``-th row. Either way the step is the same on 1, 2 or 3 ranks.

    Attributes:
        world: The processes that share a batch (``World()`` where each has all of it).
        everyone: All processes, for averaging gradients.
    """

    world: World
    everyone: World

    @classmethod
    def of(cls, net: nn.Module, everyone: World) -> Share:
        """Choose how batches of a network are shared."""
        return cls(World() if has_batch_statistics(net) else everyone, everyone)

    def whole(self, mine: Tensor, n: int) -> Tensor:
        """Return the rows of all ranks ``(n, ...)``; gradients flow into this rank's own."""
        if self.world.size == 1:
            return mine
        rows = self.world.gather_rows(mine.detach(), n).clone()
        rows[self.world.rank :: self.world.size] = mine
        return rows

    def step(
        self, loss: Tensor, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer, mixed: Mixed
    ) -> None:
        """Take an optimiser step on a loss of :meth:`whole` outputs, the same on every rank."""
        optimizer.zero_grad(set_to_none=True)
        # Each rank holds only the gradient of its rows: their sum is the gradient of the loss.
        mixed.scaled(loss * self.world.size).backward()
        self.everyone.average_gradients(parameters)
        mixed.step(optimizer)


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], lr: float, decay: float
) -> torch.optim.Optimizer:
    """Make Adam, or SGD with momentum 0.9, in one pass over the parameters (which small batches wait for)."""
    if name == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=decay, fused=True)
    return torch.optim.SGD(parameters, lr=lr, momentum=0.9, weight_decay=decay, fused=True)
