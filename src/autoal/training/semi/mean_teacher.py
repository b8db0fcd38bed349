"""Mean teacher: predictions are drawn to those of the weights' running average."""

from __future__ import annotations

from typing import Any

from autoal.config.values import Count, NotNegative, Share
from autoal.errors import AutoALError
from autoal.models.classifier import Classifier
from autoal.training.average import WeightAverage
from autoal.training.inference import evaluating
from autoal.training.semi.hook import SemiSupervised, UnlabelledHook, UnlabelledLoss, View
from autoal.training.semi.views import Drawn, UnlabelledViews
from autoal.training.task import Task


class TeacherHook(UnlabelledHook):
    r"""Draws the classifier's probabilities of one weak view to the teacher's of another.

    .. math:: \frac1{nC} \sum_b \big\| \mathrm{softmax} f_\theta(\mathrm{weak}(u_b))
              - \mathrm{softmax} f_{\bar\theta}(\mathrm{weak}'(u_b)) \big\|^2

    The teacher :math:`\bar\theta` is the average of the weights, in evaluation mode; in a round's first step it is
    the classifier itself.
    """

    def unlabelled_loss(self, net: Classifier, drawn: Drawn, seen: dict[str, View]) -> UnlabelledLoss:
        """Ask the teacher, and return the squared differences."""
        assert self.average is not None
        mine = self.views.mine(drawn)
        logits = seen["weak"].logits
        other = self.views.view("weak", self.views.raw(mine), mine, next(net.parameters()).dtype, number=1)
        teacher = self.average.net if self.average.steps else net
        with evaluating(teacher):
            wanted = teacher(other).logits.softmax(1)
        losses = (logits.softmax(1) - wanted.to(logits)).square().mean(1)
        return UnlabelledLoss(self.share_of(losses, len(drawn.ids)), self.sums.new_ones(()))


class MeanTeacher(SemiSupervised):
    """Predictions for unlabelled samples follow those of the average of the weights.

    Tarvainen, Valpola: Mean teachers are better role models. NeurIPS 2017. A baseline: views are weak ones, so on
    data without augmentations student and teacher differ only by weights and dropout.

    Args:
        ratio: Unlabelled samples per labelled one of a batch.
        weight: Weight of the unlabelled samples' loss, the mean squared difference of probabilities.
        warmup: Share of a round's steps over which that weight rises from 0.
        **options: See :class:`~autoal.training.semi.hook.SemiSupervised`.
    """

    def __init__(self, ratio: Count = 1, weight: NotNegative = 50.0, warmup: Share = 0.4, **options: Any) -> None:
        super().__init__(ratio=ratio, weight=weight, warmup=warmup, **options)
        if self.ema == 0:
            raise AutoALError("training.ema=0: the teacher is an average of the weights; set training.ema=0.999")

    def make(self, task: Task, views: UnlabelledViews, average: WeightAverage | None) -> TeacherHook:
        """Make the hook."""
        return TeacherHook(task, views, self.settings, average)
