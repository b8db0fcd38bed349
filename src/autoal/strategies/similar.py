"""SIMILAR: samples like the labelled ones of rare classes, or unlike those of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from autoal import kernels
from autoal.config.values import NotNegative
from autoal.errors import AutoALError
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import Needs

Form = Literal["flqmi", "flcg"]


@register("similar")
class SIMILAR(QueryStrategy):
    """Submodular information between the batch and the labelled samples of target classes.

    Args:
        form: ``flqmi`` (mutual information: samples like those of the target classes) or ``flcg`` (conditional
            gain: samples that cover what the other classes' labelled samples do not).
        target_classes: Classes to look for; None takes those with less than half the mean number of labels, or
            those with the fewest where no class is that rare.
        eta: How much every single pick should be like a target (``flqmi``).
        nu: How strictly to keep away from the others (``flcg``).
    """

    info = StrategyInfo(
        "diversity",
        "submodular information about rare classes, for imbalanced pools",
        "Kothawade, Beck, Killamsetty, Iyer: SIMILAR: Submodular Information Measures Based Active Learning in "
        "Realistic Scenarios",
        "NeurIPS 2021",
    )

    order = "nested"

    def __init__(
        self,
        form: Form = "flqmi",
        target_classes: Sequence[int] | None = None,
        eta: NotNegative = 1.0,
        nu: NotNegative = 1.0,
    ) -> None:
        if form not in get_args(Form):
            raise AutoALError(f"strategy 'similar': form='{form}' is none of {', '.join(get_args(Form))}")
        if not eta >= 0 or not nu >= 0:
            raise AutoALError(f"strategy 'similar': eta={eta} and nu={nu} must not be negative")
        self.form: Form = form
        self.target_classes = None if target_classes is None else [int(c) for c in target_classes]
        self.eta, self.nu = float(eta), float(nu)

    @property
    def needs(self) -> Needs:
        """Embeddings of pool and labelled samples."""
        return Needs(embeddings=True, labelled=True)

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Split the labelled samples, choose the batch."""
        wanted = self._wanted(ctx).to(ctx.device)
        known = ctx.labelled_embeddings
        with ctx.phase("pick") as progress:
            if self.form == "flqmi":
                picks = kernels.flqmi(ctx.embeddings, known[wanted], n, self.eta, progress)
            else:
                picks = kernels.flcg(ctx.embeddings, n, known[~wanted], self.nu, progress)
        return picks._replace(log={**picks.log, "targets": float(wanted.sum())})

    def _wanted(self, ctx: QueryContext) -> Tensor:
        """Which labelled samples are of a target class, ``(L,)`` bool."""
        count = torch.bincount(ctx.labelled_targets.cpu(), minlength=ctx.n_classes)
        if self.target_classes is None:
            rare = (count > 0) & (count < 0.5 * count.sum() / ctx.n_classes)
            if not bool(rare.any()):
                rare = count == count[count > 0].min()
        else:
            outside = [c for c in self.target_classes if not 0 <= c < ctx.n_classes]
            if outside:
                raise AutoALError(
                    f"strategy 'similar': target_classes holds {outside[0]}, but there are classes 0 to "
                    f"{ctx.n_classes - 1}"
                )
            rare = torch.zeros(ctx.n_classes, dtype=torch.bool)
            rare[self.target_classes] = True
            if not bool(count[rare].any()):
                # Nothing is known of the targets yet: the rarest of what is known stands in.
                rare = count == count[count > 0].min()
        return rare[ctx.labelled_targets.cpu()]
