"""MaxHerding: the batch that covers the pool best under a smooth kernel."""

from __future__ import annotations

from autoal.kernels.herding import sharded_herding
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.kept import KeptProducts, whichever_way
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("maxherding")
class MaxHerding(QueryStrategy):
    """Greedy maximisation of how alike each sample's nearest labelled or picked sample is to it.

    Args:
        kernel: ``"rbf"``, ``"student_t"``, ``"laplace"``, ``"cosine"`` or ``"top_hat"``.
        bandwidth: The kernel's unit of distance between embeddings of length 1.
        targets: Count so many samples drawn at random instead of all, for very large pools; None: all.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "diversity",
        "greedy maximum of generalised coverage (weighted herding with equal weights)",
        "Bae, Noh, Sutherland: Generalized Coverage for More Robust Low-Budget Active Learning",
        "ECCV 2024",
    )

    order = "nested"

    def __init__(
        self, kernel: str = "rbf", bandwidth: float = 1.0, targets: int | None = None, features: str = "classifier"
    ) -> None:
        self._needs = Needs.of_features(features, spread=features == "classifier")
        self.features = features
        self.kernel = kernel
        self.bandwidth = bandwidth
        self.targets = targets
        self.products = KeptProducts()

    @property
    def needs(self) -> Needs:
        """Features of pool and labelled samples."""
        return self._needs

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Cover the pool from all labelled samples."""
        pool, known = ctx.features(self.features)
        with ctx.phase("pick") as progress:
            picks = sharded_herding(
                pool,
                len(ctx.unlabelled),
                n,
                ctx.world,
                known,
                bandwidth=self.bandwidth,
                kernel=self.kernel,
                targets=self.targets,
                generator=ctx.generator("targets"),
                progress=progress,
                kept=self.products.of(ctx.unlabelled.ids, pool, ctx.world),
            )
        return whichever_way(picks)
