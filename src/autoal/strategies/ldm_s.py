"""LDM-S: samples on which a classifier close to the present one already disagrees."""

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


@register("ldm_s")
class LDMS(PickStrategy):
    """Estimate the least disagree metric over perturbed last layers; seed a batch with small values.

    Args:
        draws: Perturbed last layers per deviation; there are 21 deviations.
    """

    info = StrategyInfo(
        "hybrid",
        "easily flip-flopped samples, seeded with cosine distances",
        "Cho, Kim, Lee: Querying Easily Flip-flopped Samples for Deep Active Learning",
        "ICLR 2024",
    )
    takes = Needs(embeddings=True)

    order = "ranked"

    def __init__(self, draws: Count = 10) -> None:
        if draws < 1:
            raise AutoALError(f"strategy 'ldm_s': draws={draws}, but at least 1 is needed")
        self.draws = draws

    def pick(self, ctx: QueryContext, n: int, progress: Progress) -> Picks:
        """Perturb the head, seed the batch."""
        return kernels.ldm_s(
            ctx.embeddings,
            *last_layer(ctx),
            n,
            ctx.generator(),
            draws=self.draws,
            progress=progress,
        )
