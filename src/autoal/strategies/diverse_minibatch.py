"""Diverse mini-batches: uncertain samples, one per weighted cluster."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import Count
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("diverse_minibatch")
class DiverseMinibatch(QueryStrategy):
    """Weighted k-means over the ``beta * n`` samples of smallest margin.

    Args:
        beta: Samples kept per pick; the paper uses 10 and 50.
        max_iter: Largest number of k-means iterations.
    """

    info = StrategyInfo(
        "hybrid",
        "uncertainty-weighted k-means over the most uncertain samples",
        "Zhdanov: Diverse Mini-Batch Active Learning",
        "arXiv 2019",
    )

    def __init__(self, beta: float = 10, max_iter: Count = 100) -> None:
        if not beta >= 1:
            raise AutoALError(f"strategy 'diverse_minibatch': beta={beta}, but at least 1 is needed")
        self.beta = beta
        self.max_iter = max_iter

    @property
    def needs(self) -> Needs:
        """Embeddings."""
        return Needs(embeddings=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Filter, cluster, take the nearest samples."""
        with ctx.phase("pick") as progress:
            return kernels.diverse_minibatch(
                ctx.unlabelled.logits,
                ctx.embeddings,
                n,
                ctx.generator(),
                beta=self.beta,
                max_iter=self.max_iter,
                progress=progress,
            )
