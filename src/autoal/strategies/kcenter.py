"""Core-Set: cover the pool with as small a radius as a greedy choice can."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import Count
from autoal.kernels.sharded import sharded_kcenter
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs

_PAPER = "Sener, Savarese: Active Learning for Convolutional Neural Networks: A Core-Set Approach"


@register("kcenter")
class KCenter(QueryStrategy):
    """Greedy k-center on the embeddings: each pick is the sample farthest from all labelled and picked ones.

    Args:
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "diversity", "farthest-first cover of the embeddings (Core-Set greedy)", _PAPER, "ICLR 2018"
    )

    def __init__(self, features: str = "classifier") -> None:
        self._needs = Needs.of_features(features, spread=features == "classifier")
        self.features = features

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Cover the pool from all labelled centres."""
        pool, labelled = ctx.features(self.features)
        spread = ctx.unlabelled.spread
        with ctx.phase("pick") as progress:
            if spread is not None:
                return sharded_kcenter(pool, len(ctx.unlabelled), n, spread, labelled, progress=progress)
            return kernels.kcenter(pool, n, labelled, progress=progress)


@register("kcenter_pca")
class KCenterPCA(QueryStrategy):
    """Greedy k-center on the leading principal components of the embeddings.

    Args:
        components: Number of principal components, of pool and labelled samples together.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo("diversity", "Core-Set greedy on principal components", _PAPER, "ICLR 2018")

    def __init__(self, components: Count = 50, features: str = "classifier") -> None:
        self._needs = Needs.of_features(features)
        self.features = features
        self.components = components

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Project, then cover the pool from all labelled centres."""
        pool, labelled = ctx.features(self.features)
        with ctx.phase("pick") as progress:
            return kernels.kcenter_pca(pool, n, labelled, components=self.components, progress=progress)
