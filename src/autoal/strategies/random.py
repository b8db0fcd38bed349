"""Random sampling, the baseline that every strategy is compared with."""

from __future__ import annotations

import torch

from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register


@register("random")
class Random(QueryStrategy):
    """Uniform without replacement."""

    info = StrategyInfo("random", "uniform sampling without replacement")

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Take the first n of a random order."""
        rows = torch.randperm(len(ctx.unlabelled), generator=ctx.generator())[:n]
        return Picks(rows, torch.zeros(n), {})
