"""BatchBALD: the batch whose labels together tell most about the weights."""

from __future__ import annotations

from autoal import kernels
from autoal.config.values import Count
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("batchbald")
class BatchBALD(QueryStrategy):
    """Greedy mutual information of the batch's labels and the dropout mask.

    Args:
        n_samples: Number T of dropout masks.
        configurations: Label configurations up to which the joint distribution is exact, and how many are sampled
            beyond. For batches far above ten samples use ``power``.
    """

    info = StrategyInfo(
        "Bayesian",
        "highest mutual information between a batch of labels and weights",
        "Kirsch, van Amersfoort, Gal: BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active "
        "Learning",
        "NeurIPS 2019",
    )

    order = "ranked"

    def __init__(self, n_samples: Count = 10, configurations: Count = 1024) -> None:
        if configurations < 1:
            raise AutoALError(f"strategy 'batchbald': configurations={configurations}, but at least 1 is needed")
        self.n_samples = n_samples
        self.configurations = configurations

    @property
    def needs(self) -> Needs:
        """T MC-dropout samples."""
        return Needs(mc_samples=self.n_samples)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Choose the batch."""
        with ctx.phase("pick") as progress:
            return kernels.batchbald(ctx.mc_logits, n, ctx.generator(), self.configurations, progress=progress)
