"""Wide herding: uncertainty herding with a kernel two to three times as wide as published."""

from __future__ import annotations

from autoal.query.contract import StrategyInfo
from autoal.query.registry import register
from autoal.strategies.uherding import UHerding


@register("wide_herding")
class WideHerding(UHerding):
    r"""Weighted herding with targets :math:`u^\alpha` and the bandwidth c times the least labelled distance.

    Uncertainty herding (c = 1) narrows its kernel so fast that late picks of a batch hardly see each other.
    Nothing is learnt here. A learnt rule has to beat this one; none has.

    Args:
        exponent: :math:`\alpha`.
        scale: c.
        least: The bandwidth is at least this much, since two labelled samples may almost coincide.
        temperature: See :class:`~autoal.strategies.uherding.UHerding`, as all that follow.
        kernel: The kernel.
        targets: A sub-sample of the pool that is counted.
        features: ``"classifier"`` or ``"static"``.
    """

    info = StrategyInfo("hybrid", "uncertainty herding with a kernel two to three times as wide")

    def __init__(
        self,
        exponent: float = 1.0,
        scale: float = 2.5,
        least: float = 0.2,
        temperature: float | str = "crossfit",
        kernel: str = "rbf",
        targets: int | None = None,
        features: str = "classifier",
    ) -> None:
        super().__init__("minimum", temperature, kernel, targets, exponent, scale, least, features)
