"""ActiveFT: a batch that follows the distribution of the pool."""

from __future__ import annotations

from autoal import kernels
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("activeft")
class ActiveFT(QueryStrategy):
    """Points that follow the pool and repel each other and the labelled samples; their nearest samples.

    Args:
        steps: Gradient steps with the whole pool.
        lr: Their learning rate.
        temperature: Temperature of the similarities.
        balance: How strongly points repel each other.
    """

    info = StrategyInfo(
        "diversity",
        "samples nearest to points optimised to match the pool's distribution",
        "Xie, Lu, Yan, Yang, Tomizuka, Zhan: Active Finetuning: Exploiting Annotation Budget in the "
        "Pretraining-Finetuning Paradigm",
        "CVPR 2023",
    )

    def __init__(
        self, steps: int = 300, lr: float = 1e-3, temperature: float = 0.07, balance: float = 1.0
    ) -> None:
        self.steps = steps
        self.lr = lr
        self.temperature = temperature
        self.balance = balance

    @property
    def needs(self) -> Needs:
        """Embeddings of pool and labelled samples."""
        return Needs(embeddings=True, labelled=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Optimise the points, then take their nearest samples."""
        with ctx.phase("pick") as progress:
            return kernels.activeft(
                ctx.embeddings,
                n,
                ctx.generator(),
                ctx.labelled_embeddings,
                self.steps,
                self.lr,
                self.temperature,
                self.balance,
                progress,
            )
