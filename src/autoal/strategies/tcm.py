"""TCM: TypiClust while labels are few, then margin sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from autoal.config.values import Positive
from autoal.kernels.types import Picks
from autoal.query.candidates import CandidateStrategy
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.registry import register

UNITS = Literal["rounds", "labels_per_class"]


@register("tcm")
class TCM(CandidateStrategy):
    """One strategy for the first queries and another one from then on; nothing is learnt.

    Typical samples serve a classifier that knows little, small margins one that knows more. The paper reads the
    switch off the budget; three rounds are what later comparisons used.

    Args:
        switch: When the second strategy takes over.
        unit: What ``switch`` counts: queries that the first one made (``"rounds"``), or labels bought per class
            (``"labels_per_class"``), which does not depend on the size of a batch.
        first: The strategy at the start: a name, or a mapping of ``name`` and options.
        then: The strategy after the switch.
    """

    info = StrategyInfo(
        "search",
        "TypiClust in the first rounds, then margin",
        "Doucet, Estermann, Aczel, Wattenhofer: Bridging Diversity and Uncertainty in Active Learning with "
        "Self-Supervised Pre-Training",
        "ICLR workshop 2024",
    )

    def __init__(
        self,
        switch: Positive = 3,
        unit: UNITS = "rounds",
        first: str | Mapping[str, Any] = "typiclust",
        then: str | Mapping[str, Any] = "margin",
    ) -> None:
        super().__init__((first, then), ("strategy.first", "strategy.then"))
        self.switch = switch
        self.unit = unit

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Ask the strategy whose turn it is."""
        reached = ctx.round if self.unit == "rounds" else len(ctx.labelled_ids) / ctx.n_classes
        candidate = int(reached >= self.switch)
        picks = self.ask(ctx, candidate, n)
        return picks._replace(log={**picks.log, "tcm_switched": float(candidate)})
