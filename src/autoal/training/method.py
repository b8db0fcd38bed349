"""How a round's classifier is trained: the choices of the config group ``training``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any

from autoal.config.instantiate import plan
from autoal.config.values import Range
from autoal.data.augmentation import Augmentation
from autoal.errors import AutoALError
from autoal.models.classifier import Classifier
from autoal.training.average import WeightAverage
from autoal.training.hooks import TrainingHook
from autoal.training.task import Task

Decay = Annotated[float, Range(0, 1, "[)")]
"""Of an average over steps; 0: the last step only."""


class TrainingMethod(ABC):
    """Makes the hook that joins a strategy's own; independent of the strategy.

    Args:
        ema: Decay of the average of the weights that stands for the round; 0: the last weights.
    """

    def __init__(self, ema: Decay = 0.0) -> None:
        self.ema = ema

    @abstractmethod
    def hook(self, task: Task) -> TrainingHook | None:
        """Return what is added to the classifier's training, or None.

        Raises:
            AutoALError: If the experiment's other settings don't go with it.
        """

    def check_precision(self, precision: str) -> None:
        """Refuse a precision in which an average of weights stands still.

        Raises:
            AutoALError: For an average in half precision: its steps are smaller than what a weight is rounded to.
        """
        if self.ema > 0 and precision in ("bf16-true", "16-true"):
            raise AutoALError(
                f"training.ema={self.ema} averages weights, which trainer.precision={precision} rounds; "
                f"set trainer.precision={precision.removesuffix('-true')}-mixed or training.ema=0"
            )


class Supervised(TrainingMethod):
    """On the bought labels only.

    Args:
        ema: Decay of the average of the weights that stands for the round; 0: the last weights.
    """

    def hook(self, task: Task) -> TrainingHook | None:
        """Return the hook that averages the weights, if they are to be."""
        return AveragingHook(WeightAverage(task.initial_net(), self.ema)) if self.ema > 0 else None


class AveragingHook(TrainingHook):
    """Lets an average of the weights stand for the round.

    Args:
        average: The average; None: there is none.
    """

    def __init__(self, average: WeightAverage | None) -> None:
        super().__init__()
        self.average = average

    def on_round_start(self, round_: int) -> None:
        """Begin the average anew."""
        if self.average is not None:
            self.average.restart()

    def on_step_end(self, net: Classifier) -> None:
        """Take the new weights in."""
        if self.average is not None:
            self.average.update(net)

    def round_net(self) -> Classifier | None:
        """Return the averaged network."""
        return None if self.average is None else self.average.net


def build_method(config: Mapping[str, Any]) -> TrainingMethod:
    """Build the method that a ``training`` config describes.

    Raises:
        AutoALError: If a key or a value is not valid.
    """
    options = {k: v for k, v in config.items() if k != "name"}
    method: TrainingMethod = plan("training", options, TrainingMethod, nested=Augmentation).build()
    return method
