"""What all semi-supervised methods share: unlabelled samples beside each labelled batch, in one forward pass."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import torch
from torch import Tensor

from autoal.config.values import Count, NotNegative, Range, Share, shown
from autoal.data.augmentation import Augmentation
from autoal.data.batch import Batch
from autoal.errors import AutoALError
from autoal.models.classifier import Classifier, ClassifierOutput, DropoutKey
from autoal.training.average import WeightAverage
from autoal.training.hooks import TrainingHook
from autoal.training.method import AveragingHook, Decay, TrainingMethod
from autoal.training.semi.views import Drawn, UnlabelledViews
from autoal.training.task import Task, dropout_seed

_APART = 1 << 40
"""Larger than any key of a labelled sample's draws: each view drops units of its own."""


@dataclass(frozen=True)
class Settings:
    """What a method is configured with.

    Attributes:
        ratio: Unlabelled samples per labelled one of a batch.
        weight: Weight of the unlabelled samples' loss.
        warmup: Share of a round's steps over which that weight rises from 0.
    """

    ratio: int
    weight: float
    warmup: float


class View(NamedTuple):
    """What the classifier says about one view of this rank's unlabelled samples.

    Attributes:
        logits: ``(m, C)``, with gradients.
        clean: The same without dropout and without gradients: what pseudo-labels come from.
    """

    logits: Tensor
    clean: Tensor


class UnlabelledLoss(NamedTuple):
    """What a step's unlabelled samples come to.

    Attributes:
        loss: The term that is weighted, whose mean over ranks is that of all samples.
        kept: The samples' mean weight, the same on every rank.
        further: A term that has a weight of its own; likewise its mean over ranks counts.
    """

    loss: Tensor
    kept: Tensor
    further: Tensor | None = None


class UnlabelledHook(AveragingHook):
    """Joins views of unlabelled samples to each labelled batch, and adds a loss of them.

    Args:
        task: The experiment.
        views: Draws and changes the samples.
        settings: Sizes and weights.
        average: The average of the weights that stands for the round; None: the last weights do.

    Attributes:
        names: The views of each sample that pass through the classifier.
    """

    names: Sequence[str] = ("weak",)

    def __init__(
        self, task: Task, views: UnlabelledViews, settings: Settings, average: WeightAverage | None
    ) -> None:
        super().__init__(average)
        self.task, self.views, self.settings = task, views, settings
        self.steps = 0
        # Sums over the round's steps: mean weight of the unlabelled samples, their loss.
        self.register_buffer("sums", torch.zeros(2, dtype=torch.float64))
        self.sums: Tensor
        self._now: tuple[Drawn, dict[str, View]] | None = None

    @abstractmethod
    def unlabelled_loss(self, net: Classifier, drawn: Drawn, seen: dict[str, View]) -> UnlabelledLoss:
        """Return the loss of a step's unlabelled samples.

        Args:
            net: The classifier under training.
            drawn: The samples over all ranks.
            seen: What the classifier said about this rank's share, by view.
        """

    def on_round_start(self, round_: int) -> None:
        """Begin anew with the classifier."""
        super().on_round_start(round_)
        self.steps = 0
        self.sums.zero_()

    @property
    def factor(self) -> float:
        """The weight of the unlabelled samples' loss in this step."""
        total = self.task.epochs * (self.task.data.steps_per_epoch or 1)
        rise = self.settings.warmup * total
        return self.settings.weight * (min(1.0, self.steps / rise) if rise else 1.0)

    def joint_forward(self, net: Classifier, batch: Batch) -> ClassifierOutput | None:
        """Run the labelled batch and the views of unlabelled samples through the classifier at once."""
        if self.settings.weight == 0:
            return None
        drawn = self.views.draw(self.steps, self.settings.ratio * (self.task.data.batch_size or 1))
        mine = self.views.mine(drawn)
        raw = self.views.raw(mine)
        views = [self.views.view(name, raw, mine, batch.inputs.dtype) for name in self.names]
        keys = self.views.keys(mine)
        draws = torch.cat(
            [batch.keys.to(keys.device), *(keys + _APART * number for number in range(1, len(views) + 1))]
        )
        out = net(torch.cat([batch.inputs, *views]), DropoutKey(dropout_seed(batch), draws))
        cuts = [len(batch.ids), *(len(view) for view in views)]
        logits, embeddings = out.logits.split(cuts), out.embedding.split(cuts)
        with torch.no_grad():
            seen = {
                name: View(said, net.head(embedding))
                for name, said, embedding in zip(self.names, logits[1:], embeddings[1:], strict=True)
            }
        self._now = (drawn, seen)
        return ClassifierOutput(logits[0], embeddings[0], [stage[: cuts[0]] for stage in out.stages])

    def extra_loss(self, net: Classifier, batch: Batch, output: ClassifierOutput) -> Tensor | None:
        """Return the weighted loss of the unlabelled samples."""
        if self._now is None:
            return None
        (drawn, seen), self._now = self._now, None
        loss, kept, further = self.unlabelled_loss(net, drawn, seen)
        world = self.task.data.world
        self.sums += torch.stack([kept.double(), world.sum(loss.detach().double()) / world.size])
        term = self.factor * loss
        if further is not None:
            term = term + further
        self.steps += 1
        return term

    def share_of(self, per_sample: Tensor, n: int) -> Tensor:
        """Return this rank's part of a mean over the n samples of a step; a rank without a sample has none."""
        world = self.task.data.world
        if world.rank >= n:
            return per_sample.sum() * 0.0
        return per_sample.sum() * (world.size / n)

    def probabilities(self, logits: Tensor, n: int) -> Tensor:
        """Return the probabilities of all ranks' samples ``(n, C)``, float64, without gradients."""
        world = self.task.data.world
        mine = logits.detach().double().softmax(1)
        return world.gather_rows(mine if world.rank < n else mine[:0], n)

    def on_round_end(self) -> dict[str, float]:
        """Return how much of the unlabelled samples counted over the round, and their mean loss."""
        kept, loss = (self.sums / max(self.steps, 1)).tolist()
        return {"unlabelled_used": kept, "unlabelled_loss": loss}

    def get_extra_state(self) -> dict[str, Any]:
        """Return the place in the random streams."""
        return {"steps": self.steps}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore :meth:`get_extra_state`."""
        self.steps = int(state["steps"])


class SemiSupervised(TrainingMethod):
    """A method that trains on the unlabelled pool too.

    Args:
        ratio: Unlabelled samples per labelled one of a batch.
        weight: Weight of the unlabelled samples' loss; 0: as without them.
        warmup: Share of a round's steps over which that weight rises from 0.
        ema: Decay of the average of the weights that stands for the round; 0: the last weights.
        weak: Augmentations of the weak views; None: those of labelled samples, ``dataset.augment``.
        strong: Augmentations of the strong views; None: the weak ones, and RandAugment for images,
            noise for vectors.
    """

    def __init__(
        self,
        ratio: Count = 7,
        weight: NotNegative = 1.0,
        warmup: Share = 0.0,
        ema: Decay = 0.999,
        weak: Sequence[Augmentation] | None = None,
        strong: Sequence[Augmentation] | None = None,
    ) -> None:
        super().__init__(ema)
        for name, view in (("weak", weak), ("strong", strong)):
            for i, entry in enumerate(view or ()):
                if not isinstance(entry, Augmentation):
                    raise AutoALError(f"training.{name}[{i}]={shown(entry)} is not a mapping with a _target_")
        self.settings = Settings(ratio, weight, warmup)
        self._views = (weak, strong)

    def hook(self, task: Task) -> TrainingHook:
        """Return the method's hook.

        Raises:
            AutoALError: If a round would end by what the unlabelled pool has no part in, or has no set length.
        """
        if task.optimizer.full_batch:
            raise AutoALError(
                f"this training draws unlabelled batches, and optimizer={task.optimizer.name} takes all samples "
                "at once; set optimizer=sgd or training=supervised"
            )
        if task.data.steps_per_epoch is None:
            raise AutoALError(
                "loop.steps_per_epoch=null: few labels are one step per epoch, too few for an unlabelled pool; "
                "take loop=semi_al, set loop.steps_per_epoch=50, or set training=supervised"
            )
        if task.stop_train_acc is not None:
            raise AutoALError(
                f"loop.stop_train_acc={task.stop_train_acc} would end a round before the unlabelled pool has "
                "taught anything; set loop.stop_train_acc=null"
            )
        average = WeightAverage(task.initial_net(), self.ema) if self.ema > 0 else None
        return self.make(task, UnlabelledViews(task, *self._views), average)

    @abstractmethod
    def make(self, task: Task, views: UnlabelledViews, average: WeightAverage | None) -> TrainingHook:
        """Make the hook.

        Args:
            task: The experiment.
            views: Draws and changes unlabelled samples.
            average: The average of the weights, or None.
        """


Threshold = Annotated[float, Range(0, 1)]
"""A confidence."""
