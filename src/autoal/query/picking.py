"""Strategies that are one kernel on the pool pass's outputs: what they share."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from autoal.kernels.checks import Progress
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy
from autoal.training.inference import Needs


class PickStrategy(QueryStrategy):
    """A strategy that is one call of a kernel, timed and shown as the phase ``pick``.

    Attributes:
        takes: What the pool pass must compute, the same for every option.
    """

    takes: ClassVar[Needs]

    @property
    def needs(self) -> Needs:
        """What the kernel takes."""
        return self.takes

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Call the kernel."""
        with ctx.phase("pick") as progress:
            return self.pick(ctx, n, progress)

    @abstractmethod
    def pick(self, ctx: QueryContext, n: int, progress: Progress) -> Picks:
        """Choose ``n`` rows of ``ctx.unlabelled``.

        Args:
            ctx: The query.
            n: The query batch.
            progress: Told (steps done, steps in all).
        """


def last_layer(ctx: QueryContext) -> tuple[Tensor, Tensor]:
    """Return weight ``(C, D)`` and bias ``(C,)`` of the classifier's last layer, without gradient."""
    head = ctx.net.head
    return head.weight.detach(), head.bias.detach()
