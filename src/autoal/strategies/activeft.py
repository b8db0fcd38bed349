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
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "diversity",
        "samples nearest to points optimised to match the pool's distribution",
        "Xie, Lu, Yan, Yang, Tomizuka, Zhan: Active Finetuning: Exploiting Annotation Budget in the "
        "Pretraining-Finetuning Paradigm",
        "CVPR 2023",
    )

    def __init__(
        self,
        steps: int = 300,
        lr: float = 1e-3,
        temperature: float = 0.07,
        balance: float = 1.0,
        features: str = "classifier",
    ) -> None:
        self._needs = Needs.of_features(features)
        self.features = features
        self.steps = steps
        self.lr = lr
        self.temperature = temperature
        self.balance = balance

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Optimise the points, then take their nearest samples."""
        pool, known = ctx.features(self.features)
        with ctx.phase("pick") as progress:
            return kernels.activeft(
                pool,
                n,
                ctx.generator(),
                known,
                self.steps,
                self.lr,
                self.temperature,
                self.balance,
                progress,
            )
