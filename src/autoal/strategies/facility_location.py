"""Facility location: MaxHerding with cosine similarity."""

from __future__ import annotations

from autoal.query.contract import StrategyInfo
from autoal.query.registry import register
from autoal.strategies.maxherding import MaxHerding


@register("facility_location")
class FacilityLocation(MaxHerding):
    """Greedy facility location: the sum over the pool of (1 + cosine) / 2 to the nearest chosen sample.

    Args:
        targets: Count so many samples drawn at random instead of all, for very large pools; None: all.
        features: Where distances are measured: in the ``"classifier"``'s embeddings or in ``"static"`` features.
    """

    info = StrategyInfo(
        "diversity",
        "greedy facility location under cosine similarity",
        "Wei, Iyer, Bilmes: Submodularity in Data Subset Selection and Active Learning",
        "ICML 2015",
    )

    def __init__(self, targets: int | None = None, features: str = "classifier") -> None:
        super().__init__("cosine", targets=targets, features=features)
