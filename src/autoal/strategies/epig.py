"""EPIG: what a label would tell about the predictions on the pool."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal import kernels
from autoal.config.values import Count
from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.query.contract import QueryContext, ScoreStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.rng import sample_uniform
from autoal.training.inference import Needs


@register("epig")
class EPIG(ScoreStrategy):
    """Expected information gain about the labels of random samples of the unlabelled pool.

    Args:
        n_samples: Number T of dropout masks.
        n_targets: Samples of the pool that stand for all of it, drawn anew in each round; None uses every one.
        top_classes: Classes of a sample that are kept apart where there are more; the others count as one.
    """

    info = StrategyInfo(
        "Bayesian",
        "highest expected information gain about predictions on the pool",
        "Bickford Smith, Kirsch, Farquhar, Gal, Foster, Rainforth: Prediction-Oriented Bayesian Active Learning",
        "AISTATS 2023",
    )

    def __init__(self, n_samples: Count = 10, n_targets: Count | None = 500, top_classes: Count = 10) -> None:
        if top_classes < 1 or (n_targets is not None and n_targets < 1):
            raise AutoALError(
                f"strategy 'epig': n_targets={n_targets} and top_classes={top_classes} must be at least 1"
            )
        self.n_samples = n_samples
        self.n_targets = n_targets
        self.top_classes = top_classes

    @property
    def needs(self) -> Needs:
        """T MC-dropout samples; a mask is shared by all samples, as a joint prediction needs."""
        return Needs(mc_samples=self.n_samples, spread=True)

    def score(self, ctx: QueryContext) -> Tensor:
        """Return the expected predictive information gain."""
        mc, size = ctx.mc_logits, len(ctx.unlabelled)
        rows = torch.arange(size)
        if self.n_targets is not None and self.n_targets < size:
            luck = sample_uniform(ctx.stream_seed("targets"), ctx.unlabelled.ids, 1)[:, 0]
            rows = torch.sort(torch.sort(luck, stable=True).indices[: self.n_targets]).values
        targets = mc if len(rows) == mc.shape[1] else _targets(mc, rows.to(mc.device), ctx.world)
        with ctx.phase("score"):
            return ctx.world.gather_rows(kernels.epig(mc, targets, self.top_classes), size)


def _targets(mc: Tensor, rows: Tensor, world: World) -> Tensor:
    """Return the logits of some rows of the pool ``(T, m, C)`` on every rank, from those who have them."""
    mine = rows % world.size == world.rank
    out = mc.new_zeros(mc.shape[0], len(rows), mc.shape[2])
    out[:, mine] = mc[:, rows[mine] // world.size]
    return world.sum(out)
