"""What an epoch came to: the first callback at its end measures it, so that all others find the numbers."""

from __future__ import annotations

import math
import time

import lightning.pytorch as pl
import torch
from torch import Tensor

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.errors import AutoALError
from autoal.loop.settings import LoopConfig
from autoal.loop.validation import Validation
from autoal.training.lbfgs import reached_optimum
from autoal.training.lit import LitClassifier


class NonFiniteLossError(AutoALError):
    """The training loss became NaN or infinite."""


class EpochNumbers(pl.Callback):
    """Counts a round's epochs, measures each, and says whether the loop's own rules end the round.

    Args:
        data: Pool, round and epoch, and this rank's place.
        loop: Stopping rules.
        validation: Watches the validation labels.
        publish: Whether to put the numbers where Lightning's callbacks look for them.

    Attributes:
        train_acc: Running training accuracy of the last epoch.
        train_loss: Its mean training loss.
        lr: The learning rate that it was trained with.
        over: Whether a rule of the loop ends the round.
        sums_before: (sum of losses, right predictions, samples seen) of the epoch before a resume within it.
    """

    def __init__(
        self, data: ActiveLearningDataModule, loop: LoopConfig, validation: Validation, publish: bool = False
    ) -> None:
        self._data = data
        self._loop = loop
        self._validation = validation
        self._publish = publish
        self._start = 0.0
        self.train_acc = self.train_loss = self.lr = 0.0
        self.over = False
        self.sums_before = torch.zeros(3, dtype=torch.float64)

    @property
    def seconds(self) -> float:
        """Seconds since the epoch began."""
        return time.perf_counter() - self._start

    def sums(self, module: LitClassifier) -> Tensor:
        """Return the epoch's (sum of losses, right predictions, samples seen) over ranks and resumes."""
        return self.sums_before + self._data.world.sum(module.take_epoch_sums()).cpu()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock, and note the learning rate: at the epoch's end the schedule has moved on."""
        self._start = time.perf_counter()
        self.lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count and measure the epoch.

        Raises:
            NonFiniteLossError: If the training has diverged.
        """
        assert isinstance(pl_module, LitClassifier)
        data, loop = self._data, self._loop
        data.epoch += 1
        loss_sum, correct, seen = self.sums(pl_module).tolist()
        self.sums_before = torch.zeros(3, dtype=torch.float64)
        self.train_loss, self.train_acc = loss_sum / seen, correct / seen
        if not math.isfinite(self.train_loss):
            raise NonFiniteLossError(
                f"the training loss is {self.train_loss} in round {data.round}, epoch {data.epoch}; "
                "try a smaller optimizer.lr or trainer.gradient_clip_val=1"
            )
        fitted = loop.stop_train_acc is not None and self.train_acc >= loop.stop_train_acc
        self.over = data.epoch >= loop.epochs or fitted or reached_optimum(trainer.optimizers[0])
        with trainer.precision_plugin.forward_context():
            self.over = self._validation.epoch_done(pl_module) or self.over
        if self._publish:
            self._log(pl_module)

    def _log(self, module: LitClassifier) -> None:
        """Publish the numbers of :func:`published` in ``trainer.callback_metrics``, the same on every rank."""
        numbers = {"train_acc": self.train_acc, "train_loss": self.train_loss}
        if self._validation.last is not None:
            numbers |= {"val_acc": self._validation.last.accuracy, "val_loss": self._validation.last.loss}
        for name, value in numbers.items():
            module.log(name, value, on_step=False, on_epoch=True, logger=False, batch_size=1)


def published(loop: LoopConfig) -> tuple[str, ...]:
    """Return the names of the numbers that callbacks find at the end of each epoch."""
    return ("train_acc", "train_loss", *(("val_acc", "val_loss") if loop.n_val else ()))
