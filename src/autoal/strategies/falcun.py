"""FALCUN: uncertain samples, drawn away from each other in the space of predictions."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import NotNegative
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register


@register("falcun")
class FALCUN(QueryStrategy):
    """Draw samples by margin uncertainty plus distance of the predicted distribution to the picks.

    Args:
        gamma: How much the best are favoured; the paper uses 10.
    """

    info = StrategyInfo(
        "hybrid",
        "drawn by uncertainty plus distance of the predicted distributions",
        "Gilhuber, Beer, Ma, Seidl: FALCUN: A Simple and Efficient Deep Active Learning Strategy",
        "ECML PKDD 2024",
    )

    order = "nested"

    def __init__(self, gamma: NotNegative = 10.0) -> None:
        if not gamma >= 0:
            raise AutoALError(f"strategy 'falcun': gamma={gamma} must not be negative")
        self.gamma = float(gamma)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Draw the batch from the logits."""
        with ctx.phase("pick") as progress:
            return kernels.falcun(ctx.unlabelled.logits, n, ctx.generator(), self.gamma, progress=progress)
