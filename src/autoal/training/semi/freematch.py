"""FreeMatch: thresholds from the confidences themselves, and classes predicted as often as they occur."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autoal.config.values import NotNegative
from autoal.training.average import WeightAverage
from autoal.training.method import Decay
from autoal.training.semi import thresholds
from autoal.training.semi.consistency import ConsistencyHook, Rule
from autoal.training.semi.hook import SemiSupervised
from autoal.training.semi.views import UnlabelledViews
from autoal.training.task import Task


class SelfAdaptiveThreshold(Rule):
    """Keeps running means of confidences, probabilities and pseudo-labels.

    Args:
        n_classes: Number of classes C.
        decay: Of the running means.
        fairness: Weight of the term that asks for classes as often as they occur.
    """

    def __init__(self, n_classes: int, decay: float, fairness: float) -> None:
        super().__init__()
        self.decay = decay
        self.fairness = fairness
        even = torch.full((n_classes,), 1.0 / n_classes, dtype=torch.float64)
        self.register_buffer("level", even[0].clone())
        self.register_buffer("share", even.clone())
        self.register_buffer("histogram", even.clone())
        self.level: Tensor
        self.share: Tensor
        self.histogram: Tensor

    def weigh(self, probs: Tensor, ids: Tensor, pool: Tensor) -> Tensor:
        """Move the running means, then return 0 or 1 for each sample."""
        confidence, label = probs.max(1)
        counts = torch.bincount(label, minlength=len(self.share)).to(probs) / len(probs)
        self.level.copy_(thresholds.moved(self.level, confidence.mean(), self.decay))
        self.share.copy_(thresholds.moved(self.share, probs.mean(0), self.decay))
        self.histogram.copy_(thresholds.moved(self.histogram, counts, self.decay))
        return thresholds.self_adaptive(probs, self.level, self.share)

    def term(self, strong: Tensor, weights: Tensor) -> Tensor | None:
        """Return the weighted fairness term."""
        if self.fairness == 0:
            return None
        return self.fairness * thresholds.fairness(strong, weights, self.share, self.histogram)

    def reset(self) -> None:
        """Begin with even classes, and the confidence of a guess."""
        for value in self.buffers():
            value.fill_(1.0 / len(self.share))


class FreeMatch(SemiSupervised):
    """FixMatch with thresholds that follow from the classifier's confidences, and a term for fair classes.

    Wang et al.: FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning. ICLR 2023.

    Args:
        decay: Of the running means of confidences, probabilities and pseudo-labels.
        fairness: Weight of the fairness term.
        **options: See :class:`~autoal.training.semi.hook.SemiSupervised`.
    """

    def __init__(self, decay: Decay = 0.999, fairness: NotNegative = 0.001, **options: Any) -> None:
        super().__init__(**options)
        self.decay = decay
        self.fairness = fairness

    def make(self, task: Task, views: UnlabelledViews, average: WeightAverage | None) -> ConsistencyHook:
        """Make the hook."""
        rule = SelfAdaptiveThreshold(task.data.dataset.info.n_classes, self.decay, self.fairness)
        return ConsistencyHook(task, views, self.settings, average, rule)
