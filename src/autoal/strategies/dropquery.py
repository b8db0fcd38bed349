"""DropQuery: samples whose prediction changes when features are dropped."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import Count
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.picking import PickStrategy, last_layer
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("dropquery")
class DropQuery(PickStrategy):
    """Drop embedding units a few times, keep samples that change their class, take one per cluster of those.

    The paper trains its head with the same dropout; ``backbone.dropout=0.75`` does that here.

    Args:
        repetitions: Dropout masks per sample.
        dropout: Probability that a unit is dropped.
        enough: Candidates per pick below which a single change is enough.
        max_iter: Largest number of k-means iterations.
    """

    info = StrategyInfo(
        "hybrid",
        "samples whose label flips under feature dropout, one per cluster",
        "Gupte, Aklilu, Nirschl, Yeung-Levy: Revisiting Active Learning in the Era of Vision Foundation Models",
        "TMLR 2024",
    )
    takes = Needs(embeddings=True)

    def __init__(
        self, repetitions: Count = 3, dropout: float = 0.75, enough: float = 25, max_iter: Count = 100
    ) -> None:
        if repetitions < 1 or not 0 < dropout < 1 or not enough >= 1:
            raise AutoALError(
                f"strategy 'dropquery': repetitions={repetitions} and enough={enough} must be at least 1, "
                f"dropout={dropout} between 0 and 1"
            )
        self.repetitions = repetitions
        self.dropout = dropout
        self.enough = enough
        self.max_iter = max_iter

    def pick(self, ctx: QueryContext, n: int, progress: Progress) -> Picks:
        """Count the changes, cluster the candidates."""
        return kernels.dropquery(
            ctx.embeddings,
            ctx.unlabelled.logits,
            *last_layer(ctx),
            n,
            ctx.stream_seed("masks"),
            ctx.generator(),
            ids=ctx.unlabelled.ids,
            repetitions=self.repetitions,
            dropout=self.dropout,
            enough=self.enough,
            max_iter=self.max_iter,
            progress=progress,
        )
