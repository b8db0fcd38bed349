"""Adversarial active learning: the samples that the smallest perturbation carries over the decision boundary."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from autoal import kernels
from autoal.config.values import Count, Positive
from autoal.errors import AutoALError
from autoal.kernels.adversarial import Forward
from autoal.kernels.types import Picks
from autoal.query.contract import QueryContext, QueryStrategy, StrategyInfo
from autoal.query.registry import register
from autoal.training.inference import evaluating


class _Adversarial(QueryStrategy):
    """Perturbs every sample until its label changes and takes the n shortest perturbations.

    Args:
        max_iter: Largest number of steps per sample.
        batch_size: Samples perturbed at a time.
    """

    def __init__(self, max_iter: Count = 50, batch_size: Count = 256) -> None:
        if max_iter < 1 or batch_size < 1:
            raise AutoALError(
                f"strategy '{self.name}': max_iter={max_iter}, batch_size={batch_size}; both must be at least 1"
            )
        self.max_iter = max_iter
        self.batch_size = batch_size

    @abstractmethod
    def distance(self, forward: Forward, x: Tensor) -> Tensor:
        """Squared length of the perturbation of each input, infinite where the label did not change."""

    def select(self, ctx: QueryContext, n: int) -> Picks:
        """Take the samples nearest to the boundary.

        Samples that no perturbation carried over it come after all others, the more uncertain first.
        """
        ids = ctx.unlabelled.ids
        parts = []
        with ctx.phase("pick") as progress, evaluating(ctx.net):
            for low in range(0, len(ids), self.batch_size):
                inputs = ctx.inputs(ids[low : low + self.batch_size])
                parts.append(self.distance(lambda x: ctx.net(x).logits, inputs).to(ctx.device))
                progress(min(len(ids), low + self.batch_size), len(ids))
        distance = torch.cat(parts)
        flipped = torch.isfinite(distance)
        farthest = float(distance[flipped].max()) if bool(flipped.any()) else 0.0
        beyond = farthest + 2 - kernels.margin(ctx.unlabelled.logits).to(distance.dtype)
        score = -torch.where(flipped, distance, beyond)
        rows = kernels.top_n(score, n)
        return Picks(rows, score[rows], {"unflipped": float((~flipped).sum())})


@register("adversarial_bim")
class AdversarialBIM(_Adversarial):
    """Shortest perturbation by the basic iterative method.

    Args:
        eps: Step per coordinate of the normalised input.
        max_iter: Largest number of steps per sample.
        batch_size: Samples perturbed at a time.
    """

    info = StrategyInfo(
        "adversarial",
        "smallest perturbation by repeated sign steps that changes the label",
        "Kurakin, Goodfellow, Bengio: Adversarial Examples in the Physical World",
        "ICLR workshop 2017",
    )

    def __init__(self, eps: Positive = 0.05, max_iter: Count = 50, batch_size: Count = 256) -> None:
        super().__init__(max_iter, batch_size)
        if not eps > 0:
            raise AutoALError(f"strategy '{self.name}': eps={eps}, but the step must be positive")
        self.eps = eps

    def distance(self, forward: Forward, x: Tensor) -> Tensor:
        """Apply the kernel."""
        return kernels.bim_distance(forward, x, self.eps, self.max_iter, self.batch_size)


@register("adversarial_deepfool")
class AdversarialDeepFool(_Adversarial):
    """Shortest DeepFool perturbation.

    Args:
        max_iter: Largest number of steps per sample.
        max_classes: Boundaries to only this many most probable other classes; None looks at all of them.
        batch_size: Samples perturbed at a time.
    """

    info = StrategyInfo(
        "adversarial",
        "smallest DeepFool perturbation that changes the label",
        "Ducoffe, Precioso: Adversarial Active Learning for Deep Networks: a Margin Based Approach",
        "arXiv 2018",
    )

    def __init__(self, max_iter: Count = 50, max_classes: Count | None = None, batch_size: Count = 256) -> None:
        super().__init__(max_iter, batch_size)
        if max_classes is not None and max_classes < 1:
            raise AutoALError(f"strategy '{self.name}': max_classes={max_classes}, but at least 1 is needed")
        self.max_classes = max_classes

    def distance(self, forward: Forward, x: Tensor) -> Tensor:
        """Apply the kernel."""
        return kernels.deepfool_distance(forward, x, self.max_iter, self.max_classes, self.batch_size)
