"""UncertainGCN and CoreGCN: a graph network on both pools, its confidence or its features."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from autoal.config.values import Count, LearningRate, NotNegative
from autoal.errors import AutoALError
from autoal.kernels.kcenter import kcenter
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.learned.gcn import GCN, Graph, train_gcn
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.passes import draw_subset, dtype_of
from autoal.query.registry import register
from autoal.training.hooks import seeded
from autoal.training.inference import Needs, evaluating


class GraphView(NamedTuple):
    """What the trained graph network says.

    Attributes:
        rows: Rows of the unlabelled pool that are in the graph ``(M,)``, ascending.
        confidence: Their probability of being labelled ``(M,)``.
        hidden: Their hidden layer ``(M, hidden)``.
        labelled_hidden: The hidden layer of the labelled samples ``(L, hidden)``.
        log: Columns of the round's row.
    """

    rows: Tensor
    confidence: Tensor
    hidden: Tensor
    labelled_hidden: Tensor
    log: dict[str, float]


class GraphStrategy(QueryStrategy):
    """Base of UncertainGCN and CoreGCN.

    Args:
        subset: Unlabelled samples in the graph, drawn at random; None: the whole pool.
        hidden: Width of the hidden layer.
        dropout: Of the hidden layer.
        weight: Weight of the unlabelled term in the loss.
        epochs: Full-batch steps.
        lr: Learning rate.
        decay: Weight decay.
    """

    def __init__(
        self,
        subset: Count | None = 10000,
        hidden: Count = 128,
        dropout: float = 0.3,
        weight: NotNegative = 1.2,
        epochs: Count = 200,
        lr: LearningRate = 1e-3,
        decay: NotNegative = 5e-4,
    ) -> None:
        if not 0.0 <= dropout < 1.0 or hidden < 1 or epochs < 1 or (subset is not None and subset < 1):
            raise AutoALError(
                f"{self.name}: dropout={dropout} must be in [0, 1), hidden={hidden}, epochs={epochs} and "
                f"subset={subset} at least 1 (subset null: the whole pool)"
            )
        self.subset, self.hidden, self.dropout, self.weight = subset, hidden, dropout, weight
        self.epochs, self.lr, self.decay = epochs, lr, decay

    @property
    def needs(self) -> Needs:
        """Embeddings of both pools."""
        return Needs(embeddings=True, labelled=True)

    def view(self, ctx: QueryContext, n: int) -> GraphView:
        """Train on the labelled samples and (a subset of) the pool; every rank computes the same."""
        dtype = dtype_of(ctx)
        rows = draw_subset(ctx, self.subset, n)
        pool = ctx.embeddings[rows.to(ctx.device)].to(dtype)
        graph = Graph(torch.cat([ctx.labelled_embeddings.to(dtype), pool]))
        n_labelled = len(ctx.labelled_ids)
        labelled = torch.arange(len(graph.x), device=ctx.device) < n_labelled
        net = seeded(lambda: GCN(graph.x.shape[1], self.hidden, self.dropout), ctx.stream_seed("init"))
        net.to(ctx.device, dtype)
        with ctx.phase("gcn") as progress:
            loss = train_gcn(
                net,
                graph,
                labelled,
                self.weight,
                self.epochs,
                self.lr,
                self.decay,
                ctx.stream_seed("dropout"),
                progress,
            )
            with evaluating(net):
                logits, hidden = net(graph)
        confidence = torch.sigmoid(logits)
        log = {
            "gcn_loss": loss,
            "gcn_subset": float(len(rows)),
            "gcn_labelled": float(confidence[:n_labelled].mean()),
            "gcn_unlabelled": float(confidence[n_labelled:].mean()),
        }
        return GraphView(rows, confidence[n_labelled:], hidden[n_labelled:], hidden[:n_labelled], log)


@register("coregcn")
class CoreGCN(GraphStrategy):
    """Greedy k-center on features that a graph network has learnt to tell labelled from unlabelled samples by.

    The released code puts the logit beside the hidden layer as one more coordinate; here k-center sees only
    the hidden layer.

    Args: see :class:`GraphStrategy`.
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


@register("uncertaingcn")
class UncertainGCN(GraphStrategy):
    r"""The samples whose confidence of being labelled is nearest to a margin: :math:`|s_{margin} - s_i|` least.

    Args:
        margin: :math:`s_{margin}`; low values ask for samples that are surely unlabelled.
        **options: See :class:`GraphStrategy`.
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
