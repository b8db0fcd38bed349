"""BADGE: uncertain and diverse at once, in the space of last-layer gradients."""

from __future__ import annotations

from autoal import kernels
from autoal.kernels.sharded import sharded_badge
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("badge")
class BADGE(QueryStrategy):
    """K-means++ seeds over the gradients that the predicted labels would cause in the last layer."""

    info = StrategyInfo(
        "hybrid",
        "k-means++ over last-layer gradients at the predicted label",
        "Ash, Zhang, Krishnamurthy, Langford, Agarwal: Deep Batch Active Learning by Diverse, Uncertain "
        "Gradient Lower Bounds",
        "ICLR 2020",
    )

    @property
    def needs(self) -> Needs:
        """Embeddings."""
        return Needs(embeddings=True, spread=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Draw the batch; the gradients are never written out."""
        logits, embeddings, spread = ctx.unlabelled.logits, ctx.embeddings, ctx.unlabelled.spread
        with ctx.phase("pick") as progress:
            if spread is not None:
                own, rng = spread.shard(logits), ctx.generator()
                return sharded_badge(own, embeddings, len(ctx.unlabelled), n, rng, spread, progress)
            return kernels.badge(logits, embeddings, n, ctx.generator(), progress=progress)
