"""Cluster-Margin: small margins from many clusters, which are made once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autoal import kernels
from autoal.config.values import Count, Positive
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("cluster_margin")
class ClusterMargin(QueryStrategy):
    """Cluster the pool's embeddings at the first query; then always take small margins, cluster by cluster.

    Args:
        factor: Samples of small margin that are kept per pick.
        threshold: Mean distance from which clusters stay apart; None uses ``average_size``.
        average_size: Samples per cluster.
        exact_limit: Largest pool whose average linkage is exact; larger ones are merged from micro-clusters, and
            the column ``micro_clusters`` is not 0.
        micro_clusters: Number of micro-clusters.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "hybrid",
        "small margins, round robin over clusters of the first embeddings",
        "Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh, Kumar: Batch Active Learning at Scale",
        "NeurIPS 2021",
    )

    order = "ranked"

    def __init__(
        self,
        factor: Positive = 10,
        threshold: Positive | None = None,
        average_size: Positive = 2,
        exact_limit: Count = 4096,
        micro_clusters: Count = 2048,
        features: str = "classifier",
    ) -> None:
        if not factor >= 1:
            raise AutoALError(f"strategy 'cluster_margin': factor={factor}, but at least 1 is needed")
        self._needs = Needs.of_features(features)
        self.features = features
        self.factor = factor
        self.threshold = threshold
        self.average_size = average_size
        self.exact_limit = exact_limit
        self.micro_clusters = micro_clusters
        self._ids = torch.zeros(0, dtype=torch.int64)
        self._clusters = torch.zeros(0, dtype=torch.int64)
        self._log: dict[str, float] = {}

    @property
    def needs(self) -> Needs:
        """Features of the pool."""
        return self._needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Cluster once, then visit the clusters."""
        ids = ctx.unlabelled.ids
        if not self._known(ids):
            with ctx.phase("cluster"):
                clusters, self._log = kernels.average_linkage(
                    ctx.features(self.features)[0],
                    ctx.generator("clusters"),
                    self.threshold,
                    self.average_size,
                    self.exact_limit,
                    self.micro_clusters,
                )
            self._ids, self._clusters = ids.clone(), clusters.cpu()
        own = self._clusters[torch.searchsorted(self._ids, ids)]
        picks = kernels.cluster_margin(ctx.unlabelled.logits, own, n, self.factor)
        return picks._replace(log={**picks.log, **self._log})

    def _known(self, ids: Tensor) -> bool:
        """Whether every sample has its cluster."""
        if not len(self._ids):
            return False
        place = torch.searchsorted(self._ids, ids).clamp(max=len(self._ids) - 1)
        return bool((self._ids[place] == ids).all())

    def state_dict(self) -> dict[str, Any]:
        """Return the clusters."""
        return {"ids": self._ids, "clusters": self._clusters, "log": dict(self._log)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._ids, self._clusters = state["ids"].clone(), state["clusters"].clone()
        self._log = dict(state["log"])
