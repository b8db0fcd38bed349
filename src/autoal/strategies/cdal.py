"""CDAL: cover the space of predicted class distributions."""

from __future__ import annotations

from autoal import kernels
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("cdal")
class CDAL(QueryStrategy):
    """Greedy k-center under the symmetric Kullback-Leibler divergence of the predictions (CDAL-CS)."""

    info = StrategyInfo(
        "diversity",
        "farthest-first cover of the predicted class distributions",
        "Agarwal, Arora, Anand, Arora: Contextual Diversity for Active Learning",
        "ECCV 2020",
    )

    @property
    def needs(self) -> Needs:
        """Logits of the labelled samples."""
        return Needs(labelled=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Cover the predictions from those on all labelled samples."""
        with ctx.phase("pick") as progress:
            return kernels.cdal(ctx.unlabelled.logits, n, ctx.known.logits, progress=progress)
