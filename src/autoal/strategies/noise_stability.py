"""Noise stability: samples whose prediction moves when the last layer gets noise."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import Count, Positive
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.picking import PickStrategy, last_layer
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("noise_stability")
class NoiseStability(PickStrategy):
    """Greedy k-center on how the predicted probabilities deviate under noise on the last layer's weights.

    Args:
        draws: Number of perturbations.
        scale: Length of a perturbation relative to that of the last layer's parameters.
    """

    info = StrategyInfo(
        "hybrid",
        "k-center on how predictions deviate under noise on the weights",
        "Li, Yang, Wang, Xu, Luo, Guo, Huang: Deep Active Learning with Noise Stability",
        "AAAI 2024",
    )
    takes = Needs(embeddings=True)

    order = "nested"

    def __init__(self, draws: Count = 50, scale: Positive = 1e-3) -> None:
        if draws < 1 or not scale > 0:
            raise AutoALError(
                f"strategy 'noise_stability': draws={draws} must be at least 1, scale={scale} positive"
            )
        self.draws = draws
        self.scale = float(scale)

    def pick(self, ctx: QueryContext, n: int, progress: Progress) -> Picks:
        """Perturb the head, cover the deviations."""
        return kernels.noise_stability(
            ctx.embeddings,
            *last_layer(ctx),
            n,
            ctx.generator(),
            self.draws,
            self.scale,
            progress=progress,
        )
