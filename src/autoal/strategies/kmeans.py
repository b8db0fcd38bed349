"""Diversity by clustering: the samples nearest to the centroids."""

from __future__ import annotations

from autoal.config.values import Count
from autoal.kernels import kmeans
from autoal.kernels.sharded import sharded_kmeans
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("kmeans")
class KMeans(QueryStrategy):
    """K-means with k = n on the embeddings; the nearest distinct sample of each centroid.

    Args:
        max_iter: Lloyd iterations.
        batch_size: Mini-batch size for large pools; None clusters with every sample.
    """

    info = StrategyInfo(
        "diversity",
        "samples nearest to k-means centroids of the embeddings",
        "Bodo, Minier, Csato: Active Learning with Clustering",
        "AISTATS workshop 2011",
    )

    def __init__(self, max_iter: Count = 20, batch_size: Count | None = None) -> None:
        self.max_iter = max_iter
        self.batch_size = batch_size

    @property
    def needs(self) -> Needs:
        """Embeddings."""
        # Mini-batches are drawn from all rows.
        return Needs(embeddings=True, spread=self.batch_size is None)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Cluster and take the nearest samples."""
        spread = ctx.unlabelled.spread
        if spread is not None:
            mine, rng = ctx.embeddings, ctx.generator()
            return sharded_kmeans(mine, len(ctx.unlabelled), n, rng, spread, max_iter=self.max_iter)
        return kmeans(
            ctx.embeddings,
            n,
            ctx.generator(),
            max_iter=self.max_iter,
            batch_size=self.batch_size,
        )
