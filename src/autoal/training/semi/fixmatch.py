"""FixMatch: strong views learn the confident predictions of weak views."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from autoal.training.average import WeightAverage
from autoal.training.semi import thresholds
from autoal.training.semi.consistency import ConsistencyHook, Rule
from autoal.training.semi.hook import SemiSupervised, Threshold
from autoal.training.semi.views import UnlabelledViews
from autoal.training.task import Task


class FixedThreshold(Rule):
    """Counts the samples whose confidence reaches a threshold.

    Args:
        threshold: The least confidence.
    """

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def weigh(self, probs: Tensor, ids: Tensor, pool: Tensor) -> Tensor:
        """Return 0 or 1 for each sample."""
        return thresholds.fixed(probs, self.threshold)


class FixMatch(SemiSupervised):
    """Strong views of unlabelled samples learn the classes that weak views are given with confidence.

    Sohn et al.: FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence. NeurIPS 2020.

    Args:
        threshold: The least confidence of a pseudo-label that counts.
        **options: See :class:`~autoal.training.semi.hook.SemiSupervised`.
    """

    def __init__(self, threshold: Threshold = 0.95, **options: Any) -> None:
        super().__init__(**options)
        self.threshold = threshold

    def make(self, task: Task, views: UnlabelledViews, average: WeightAverage | None) -> ConsistencyHook:
        """Make the hook."""
        return ConsistencyHook(task, views, self.settings, average, FixedThreshold(self.threshold))
