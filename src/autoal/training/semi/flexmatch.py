"""FlexMatch: a lower threshold for classes that few samples have reached it for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autoal.training.average import WeightAverage
from autoal.training.semi import thresholds
from autoal.training.semi.consistency import ConsistencyHook, Rule
from autoal.training.semi.hook import SemiSupervised, Threshold
from autoal.training.semi.views import UnlabelledViews
from autoal.training.task import Task


class FlexibleThreshold(Rule):
    """Remembers, for every sample, the class for which it last reached the threshold.

    Args:
        threshold: The highest threshold of a class.
        n_classes: Number of classes C.
    """

    def __init__(self, threshold: float, n_classes: int) -> None:
        super().__init__()
        self.threshold = threshold
        self.n_classes = n_classes
        self.last = torch.empty(0, dtype=torch.int64)

    def weigh(self, probs: Tensor, ids: Tensor, pool: Tensor) -> Tensor:
        """Return 0 or 1 for each sample, then remember those that reach the threshold."""
        n = int(pool[-1]) + 1
        if len(self.last) < n:  # a pool may grow between the parts of a run
            self.last = torch.cat([self.last, self.last.new_full((n - len(self.last),), -1)])
        found = torch.bincount(self.last[pool] + 1, minlength=self.n_classes + 1)
        weights = thresholds.flexible(probs, found[1:].to(probs.device), int(found[0]), self.threshold)
        confidence, label = (x.cpu() for x in probs.max(1))
        reached = confidence >= self.threshold
        # A sample that a step holds twice is remembered as it came last, however many threads write.
        keep = _last_of_each(ids[reached])
        self.last[ids[reached][keep]] = label[reached][keep]
        return weights

    def reset(self) -> None:
        """Forget all samples."""
        self.last = torch.empty(0, dtype=torch.int64)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is remembered."""
        return {"last": self.last.clone()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore :meth:`get_extra_state`."""
        self.last = state["last"].clone().cpu()


def _last_of_each(ids: Tensor) -> Tensor:
    """Return the position at which each id stands for the last time."""
    values, inverse = ids.unique(return_inverse=True)
    last = torch.zeros(len(values), dtype=torch.int64)
    return last.scatter_reduce(0, inverse, torch.arange(len(ids)), "amax", include_self=False)


class FlexMatch(SemiSupervised):
    """FixMatch with a threshold per class that rises as the class is learned.

    Zhang et al.: FlexMatch: Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling. NeurIPS 2021.

    Args:
        threshold: The highest threshold of a class.
        **options: See :class:`~autoal.training.semi.hook.SemiSupervised`.
    """

    def __init__(self, threshold: Threshold = 0.95, **options: Any) -> None:
        super().__init__(**options)
        self.threshold = threshold

    def make(self, task: Task, views: UnlabelledViews, average: WeightAverage | None) -> ConsistencyHook:
        """Make the hook."""
        rule = FlexibleThreshold(self.threshold, task.data.dataset.info.n_classes)
        return ConsistencyHook(task, views, self.settings, average, rule)
