"""Pseudo-labels: confident predictions are taken for labels."""

from __future__ import annotations

from typing import Any

from autoal.config.values import Count, Share
from autoal.training.average import WeightAverage
from autoal.training.semi.consistency import ConsistencyHook
from autoal.training.semi.fixmatch import FixedThreshold
from autoal.training.semi.hook import SemiSupervised, Threshold
from autoal.training.semi.views import UnlabelledViews
from autoal.training.task import Task


class PseudoLabel(SemiSupervised):
    """Unlabelled samples train with the class that they are given with confidence.

    Lee: Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method. ICML workshop 2013. A baseline:
    the view that is trained is the one that the class was predicted for.

    Args:
        threshold: The least confidence of a pseudo-label that counts.
        ratio: Unlabelled samples per labelled one of a batch.
        warmup: Share of a round's steps over which their weight rises from 0.
        **options: See :class:`~autoal.training.semi.hook.SemiSupervised`.
    """

    def __init__(self, threshold: Threshold = 0.95, ratio: Count = 1, warmup: Share = 0.4, **options: Any) -> None:
        super().__init__(ratio=ratio, warmup=warmup, **options)
        self.threshold = threshold

    def make(self, task: Task, views: UnlabelledViews, average: WeightAverage | None) -> ConsistencyHook:
        """Make the hook."""
        rule = FixedThreshold(self.threshold)
        return ConsistencyHook(task, views, self.settings, average, rule, trained="weak")
