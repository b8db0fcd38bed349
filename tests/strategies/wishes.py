"""Candidates whose picks are known: they follow a fixed wish for each sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autoal.query.contract import QueryContext, QueryStrategy, ScoreStrategy, StrategyInfo


class Wish(ScoreStrategy):
    """Wants samples in the order of a given number per sample id."""

    info = StrategyInfo("random", "a wish of a test")

    def __init__(self, name: str, wish: Tensor) -> None:
        self.name = name  # type: ignore[misc]
        self.wish = wish

    def score(self, ctx: QueryContext) -> Tensor:
        return self.wish[ctx.unlabelled.ids]


def replace_candidates(strategy: QueryStrategy, candidates: Sequence[QueryStrategy]) -> None:
    """Give a strategy that chooses among candidates the given ones."""
    strategy.candidates = list(candidates)  # type: ignore[attr-defined]
    strategy.labels = [candidate.name for candidate in candidates]  # type: ignore[attr-defined]


def noisy(mask: Tensor, seed: int) -> Tensor:
    """Wish for the samples of a mask before all others, in random order."""
    return mask.float() * 10 + torch.rand(len(mask), generator=torch.Generator().manual_seed(seed))
