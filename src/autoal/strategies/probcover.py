"""ProbCover: cover the pool with balls of one radius."""

from __future__ import annotations

from autoal import kernels
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("probcover")
class ProbCover(QueryStrategy):
    """Each pick's ball covers most samples that no labelled or picked sample's ball covers.

    Args:
        radius: The balls' radius between embeddings of length 1; None: the largest at which a share ``purity`` of
            the balls hold only one cluster, of k-means with as many clusters as classes.
        purity: See ``radius``.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "diversity",
        "greedy cover by balls whose radius keeps clusters apart",
        "Yehuda, Dekel, Hacohen, Weinshall: Active Learning Through a Covering Lens",
        "NeurIPS 2022",
    )

    order = "nested"

    def __init__(self, radius: float | None = None, purity: float = 0.95, features: str = "classifier") -> None:
        self._needs = Needs.of_features(features)
        self.features = features
        self.radius = radius
        self.purity = purity

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Find the radius, then cover the pool."""
        radius = self.radius
        pool, known = ctx.features(self.features)
        if radius is None:
            with ctx.phase("radius"):
                unit = kernels.unit_rows(pool)
                k = min(ctx.n_classes, len(unit))
                clusters = kernels.weighted_kmeans(unit, k, ctx.generator("radius"))[1]
                radius = kernels.pure_radius(unit, clusters, self.purity)
        with ctx.phase("pick") as progress:
            return kernels.probcover(pool, n, radius, known, progress=progress)
