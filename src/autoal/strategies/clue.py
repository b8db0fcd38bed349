"""CLUE: clusters of the embeddings, weighted by uncertainty."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import Count, Positive
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("clue")
class CLUE(QueryStrategy):
    """K-means with k = n on the whole pool, each sample weighing its entropy; the sample nearest to each centroid.

    Args:
        temperature: Temperature of the softmax whose entropy weighs.
        max_iter: Lloyd iterations.
        batch_size: Mini-batch size for large pools; None clusters with every sample.
    """

    info = StrategyInfo(
        "hybrid",
        "k-means of the embeddings weighted by entropy",
        "Prabhu, Chandrasekaran, Saenko, Hoffman: Active Domain Adaptation via Clustering Uncertainty-weighted "
        "Embeddings",
        "ICCV 2021",
    )

    def __init__(
        self, temperature: Positive = 1.0, max_iter: Count = 100, batch_size: Count | None = None
    ) -> None:
        if not temperature > 0:
            raise AutoALError(f"strategy 'clue': temperature={temperature} must be positive")
        self.temperature = float(temperature)
        self.max_iter = max_iter
        self.batch_size = batch_size

    @property
    def needs(self) -> Needs:
        """Embeddings."""
        return Needs(embeddings=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Cluster and take the nearest samples."""
        with ctx.phase("pick") as progress:
            return kernels.clue(
                ctx.embeddings,
                ctx.unlabelled.logits,
                n,
                ctx.generator(),
                self.temperature,
                self.max_iter,
                self.batch_size,
                progress=progress,
            )
