"""UncertainGCN: a graph network's confidence that a sample is labelled, near a margin."""

from __future__ import annotations

from typing import Any

from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.learned.graph_query import GraphStrategy
from autoal.strategies.base import QueryContext, StrategyInfo
from autoal.strategies.registry import register


@register("uncertaingcn")
class UncertainGCN(GraphStrategy):
    r"""The samples whose confidence of being labelled is nearest to a margin: :math:`|s_{margin} - s_i|` least.

    Args:
        margin: :math:`s_{margin}`; low values ask for samples that are surely unlabelled.
        **options: See :class:`~autoal.learned.graph_query.GraphStrategy`.
    """

    info = StrategyInfo(
        "learned",
        "graph network's confidence of being labelled near a margin",
        "Caramalau, Bhattarai, Kim: Sequential Graph Convolutional Network for Active Learning",
        "CVPR 2021",
    )

    def __init__(self, margin: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        self.margin = margin

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Train the graph network and take what lies nearest to the margin."""
        view = self.view(ctx, n)
        score = -(view.confidence - self.margin).abs()
        best = top_n(score, n)
        log = {**view.log, "gcn_picked": float(view.confidence[best].mean())}
        return Picks(view.rows.to(best.device)[best], score[best], log)
