"""Pseudo-labels of weak views, which the same or a strong view is trained with."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from autoal.models.classifier import Classifier
from autoal.training.average import WeightAverage
from autoal.training.semi.hook import Settings, UnlabelledHook, UnlabelledLoss, View
from autoal.training.semi.views import Drawn, UnlabelledViews
from autoal.training.task import Task


class Rule(nn.Module):
    """Says how much each pseudo-label counts. What it remembers is in buffers, and so in the checkpoint."""

    @abstractmethod
    def weigh(self, probs: Tensor, ids: Tensor, pool: Tensor) -> Tensor:
        """Take in a step's samples and weigh them.

        Args:
            probs: Probabilities of the weak views over all ranks ``(n, C)``, float64.
            ids: Sample ids ``(n,)``, on the CPU.
            pool: Ids of all samples that are drawn from, on the CPU.

        Returns:
            Weights ``(n,)``, float64.
        """

    def term(self, strong: Tensor, weights: Tensor) -> Tensor | None:
        """Return a further term of the loss, or None.

        Args:
            strong: Probabilities of the trained views over all ranks ``(n, C)``, with this rank's gradients.
            weights: The samples' weights ``(n,)``.
        """
        return None

    def reset(self) -> None:
        """Forget everything: a round begins."""


class ConsistencyHook(UnlabelledHook):
    r"""Trains one view of an unlabelled sample with the class that the classifier predicts for its weak view.

    .. math:: \frac1n \sum_b \lambda_b \, \ell\big(f(\mathrm{view}(u_b)), \arg\max_c q_{bc}\big),
              \quad q_b = \mathrm{softmax}\, f(\mathrm{weak}(u_b))

    Args:
        task: The experiment.
        views: Draws and changes the samples.
        settings: Sizes and weights.
        average: The average of the weights, or None.
        rule: Gives :math:`\lambda`.
        trained: The view that is trained: ``"weak"`` or ``"strong"``.
    """

    def __init__(
        self,
        task: Task,
        views: UnlabelledViews,
        settings: Settings,
        average: WeightAverage | None,
        rule: Rule,
        trained: str = "strong",
    ) -> None:
        super().__init__(task, views, settings, average)
        self.rule = rule
        self.trained = trained
        self.names = tuple(dict.fromkeys(("weak", trained)))

    def on_round_start(self, round_: int) -> None:
        """Begin anew, the rule too."""
        super().on_round_start(round_)
        self.rule.reset()

    def unlabelled_loss(self, net: Classifier, drawn: Drawn, seen: dict[str, View]) -> UnlabelledLoss:
        """Weigh the pseudo-labels and return the cross-entropy of the trained view."""
        data, n = self.task.data, len(drawn.ids)
        probs = self.probabilities(seen["weak"].clean, n)
        weights = self.rule.weigh(probs, drawn.ids, data.pool.trainable)
        logits = seen[self.trained].logits
        labels, mine = self._mine(probs.argmax(1)), self._mine(weights)
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        loss = self.share_of(losses * mine.to(losses), n)
        further = self.rule.term(self._whole(logits, n), weights)
        if further is not None:
            # The term joins all samples; each rank's gradients come only from its own rows.
            further = data.world.size * further.to(loss)
        return UnlabelledLoss(loss, weights.mean(), further)

    def _mine(self, rows: Tensor) -> Tensor:
        """Return this rank's rows of what was gathered; of none, the first, which counts nothing."""
        mine = self.task.data.world.shard(rows)
        return mine if len(mine) else rows[:1]

    def _whole(self, logits: Tensor, n: int) -> Tensor:
        """Return the probabilities of all ranks' views, with the gradients of this rank's."""
        world = self.task.data.world
        mine = logits.double().softmax(1)
        if world.size == 1:
            return mine
        own = mine if world.rank < n else mine[:0]
        whole = world.gather_rows(own.detach(), n).clone()
        whole[world.rank :: world.size] = own
        return whole
