"""CoreGCN: k-center on the hidden layer of a graph network."""

from __future__ import annotations

from autoal.kernels.kcenter import kcenter
from autoal.kernels.types import Picks
from autoal.learned.graph_query import GraphStrategy
from autoal.strategies.base import QueryContext, StrategyInfo
from autoal.strategies.registry import register


@register("coregcn")
class CoreGCN(GraphStrategy):
    """Greedy k-center on features that a graph network has learnt to tell labelled from unlabelled samples by.

    Args: see :class:`~autoal.learned.graph_query.GraphStrategy`.
    """

    info = StrategyInfo(
        "learned",
        "k-center on a graph network's features of both pools",
        "Caramalau, Bhattarai, Kim: Sequential Graph Convolutional Network for Active Learning",
        "CVPR 2021",
    )

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Train the graph network and cover its features."""
        view = self.view(ctx, n)
        picks = kcenter(view.hidden, n, view.labelled_hidden)
        rows = view.rows.to(picks.index.device)[picks.index]
        return Picks(rows, picks.score, {**view.log, "gcn_radius": picks.log["radius"]})
