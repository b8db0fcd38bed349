"""SoftMatch: every pseudo-label counts, by how confident it is beside the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autoal.config.values import Positive
from autoal.training.average import WeightAverage
from autoal.training.method import Decay
from autoal.training.semi import thresholds
from autoal.training.semi.consistency import ConsistencyHook, Rule
from autoal.training.semi.hook import SemiSupervised
from autoal.training.semi.views import UnlabelledViews
from autoal.training.task import Task


class SoftWeight(Rule):
    """Keeps running means of the confidences, of their variance and of the probabilities.

    Args:
        n_classes: Number of classes C.
        decay: Of the running means.
        n_sigma: How many standard deviations below the mean a weight of exp(-1/2) is: one n-th.
        align: Whether the probabilities that weights come from are aligned to even classes.
    """

    def __init__(self, n_classes: int, decay: float, n_sigma: float, align: bool) -> None:
        super().__init__()
        self.decay, self.n_sigma, self.align = decay, n_sigma, align
        even = torch.full((n_classes,), 1.0 / n_classes, dtype=torch.float64)
        self.register_buffer("mean", even[0].clone())
        self.register_buffer("variance", torch.ones((), dtype=torch.float64))
        self.register_buffer("share", even)
        self.mean: Tensor
        self.variance: Tensor
        self.share: Tensor

    def weigh(self, probs: Tensor, ids: Tensor, pool: Tensor) -> Tensor:
        """Move the running means, then return a weight in (0, 1] for each sample."""
        if self.align:
            self.share.copy_(thresholds.moved(self.share, probs.mean(0), self.decay))
            probs = thresholds.aligned(probs, self.share)
        confidence = probs.max(1).values
        self.mean.copy_(thresholds.moved(self.mean, confidence.mean(), self.decay))
        if len(confidence) > 1:
            self.variance.copy_(thresholds.moved(self.variance, confidence.var(), self.decay))
        return thresholds.truncated_gaussian(confidence, self.mean, self.variance, self.n_sigma)

    def reset(self) -> None:
        """Begin with even classes, the confidence of a guess, and a variance of 1."""
        self.share.fill_(1.0 / len(self.share))
        self.mean.fill_(1.0 / len(self.share))
        self.variance.fill_(1.0)


class SoftMatch(SemiSupervised):
    """FixMatch without a threshold: confident pseudo-labels count fully, others less and less.

    Chen et al.: SoftMatch: Addressing the Quantity-Quality Tradeoff in Semi-supervised Learning. ICLR 2023.

    Args:
        decay: Of the running means of confidences and probabilities.
        n_sigma: A confidence of one n-th of a standard deviation below the mean weighs exp(-1/2).
        align: Whether weights come from probabilities aligned to even classes; pseudo-labels never do.
        **options: See :class:`~autoal.training.semi.hook.SemiSupervised`.
    """

    def __init__(self, decay: Decay = 0.999, n_sigma: Positive = 2.0, align: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.decay, self.n_sigma, self.align = decay, n_sigma, align

    def make(self, task: Task, views: UnlabelledViews, average: WeightAverage | None) -> ConsistencyHook:
        """Make the hook."""
        rule = SoftWeight(task.data.dataset.info.n_classes, self.decay, self.n_sigma, self.align)
        return ConsistencyHook(task, views, self.settings, average, rule)
