"""DCoM: from coverage to uncertainty as the classifier learns."""

from __future__ import annotations

from autoal import kernels
from autoal.kernels.checks import Progress
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.picking import PickStrategy
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("dcom")
class DCoM(PickStrategy):
    """Density among uncovered samples at first, the margin later; the covered share of the pool decides.

    Args:
        radius: Radius at which coverage is measured before each labelled sample has one of its own.
        switch: The covered share of the pool at which uncertainty takes over.
        steepness: How suddenly it does.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "hybrid",
        "balls of per-label radii: density while little is covered, margin afterwards",
        "Mishal, Weinshall: DCoM: Active Learning for All Learners",
        "arXiv 2024",
    )
    order = "nested"

    def __init__(
        self, radius: float = 0.75, switch: float = 0.9, steepness: float = 30.0, features: str = "classifier"
    ) -> None:
        self._needs = Needs.of_features(features)
        self.features = features
        self.radius = radius
        self.switch = switch
        self.steepness = steepness

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def pick(self, ctx: QueryContext, n: int, progress: Progress) -> Picks:
        """Find the labelled samples' radii, then pick."""
        pool, known = ctx.features(self.features)
        return kernels.dcom(
            pool,
            ctx.unlabelled.logits,
            n,
            known,
            ctx.labelled_targets,
            self.radius,
            self.switch,
            self.steepness,
            progress=progress,
        )
