"""TypiClust: typical samples of clusters without labels."""

from __future__ import annotations

from autoal import kernels
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("typiclust")
class TypiClust(QueryStrategy):
    """The most typical sample of each cluster, those with the fewest labels first.

    Args:
        max_clusters: Largest number of clusters; otherwise as many as there will be labels.
        smallest: Clusters of so few samples come last.
        neighbours: How many neighbours make a sample typical.
        max_iter: Iterations of k-means.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "diversity",
        "densest sample of each cluster that has few labels",
        "Hacohen, Dekel, Weinshall: Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets",
        "ICML 2022",
    )

    order = "ranked"

    def __init__(
        self,
        max_clusters: int = 500,
        smallest: int = 5,
        neighbours: int = 20,
        max_iter: int = 50,
        features: str = "classifier",
    ) -> None:
        self._needs = Needs.of_features(features)
        self.features = features
        self.max_clusters = max_clusters
        self.smallest = smallest
        self.neighbours = neighbours
        self.max_iter = max_iter

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Cluster pool and labelled samples, then visit the clusters in turn."""
        pool, known = ctx.features(self.features)
        with ctx.phase("pick") as progress:
            return kernels.typiclust(
                pool,
                n,
                ctx.generator(),
                known,
                self.max_clusters,
                self.smallest,
                self.neighbours,
                self.max_iter,
                progress=progress,
            )
