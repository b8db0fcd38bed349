"""BAIT: the batch whose Fisher information covers that of the pool."""

from __future__ import annotations

from typing import get_args

from autoal import kernels
from autoal.config.values import Positive
from autoal.errors import AutoALError
from autoal.kernels.bait import Form
from autoal.kernels.checks import Progress
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, StrategyInfo
from autoal.query.picking import PickStrategy
from autoal.query.registry import register
from autoal.training.inference import Needs


@register("bait")
class BAIT(PickStrategy):
    """Add samples that lower the trace of the inverse Fisher information on the pool, then remove half of them.

    Args:
        form: ``binary`` (rank one: is the predicted class right?), ``top2`` or ``full``; the last two for heads
            with at most 4096 weights.
        lam: Precision of the prior; the paper uses 1.
    """

    info = StrategyInfo(
        "hybrid",
        "greedy Fisher information of the last layer, forward and backward",
        "Ash, Goel, Krishnamurthy, Kakade: Gone Fishing: Neural Active Learning with Fisher Embeddings",
        "NeurIPS 2021",
    )
    takes = Needs(embeddings=True, labelled=True)

    order = "ranked"

    def __init__(self, form: Form = "binary", lam: Positive = 1.0) -> None:
        if form not in get_args(Form):
            raise AutoALError(f"strategy 'bait': form='{form}' is none of {', '.join(get_args(Form))}")
        if not lam > 0:
            raise AutoALError(f"strategy 'bait': lam={lam} must be positive")
        self.form: Form = form
        self.lam = float(lam)

    def pick(self, ctx: QueryContext, n: int, progress: Progress) -> Picks:
        """Choose on the embeddings as the last layer sees them."""
        return kernels.bait(
            ctx.embeddings,
            ctx.unlabelled.logits,
            n,
            ctx.labelled_embeddings,
            ctx.known.logits,
            form=self.form,
            lam=self.lam,
            progress=progress,
        )
