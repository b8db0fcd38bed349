"""The LightningModule that trains the task model."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from autoal.data.batch import Batch
from autoal.models.classifier import Classifier
from autoal.optim import OptimizerRecipe
from autoal.task import count_correct, training_loss


class LitClassifier(pl.LightningModule):
    """Cross-entropy training of a :class:`~autoal.models.classifier.Classifier`.

    It counts what it sees, without a device synchronisation per step; the callback reads the counts at the
    end of an epoch.

    Args:
        net: The network.
        recipe: Optimiser and schedule.
    """

    def __init__(self, net: Classifier, recipe: OptimizerRecipe) -> None:
        super().__init__()
        self.net = net
        self.recipe = recipe
        self._sums: Tensor | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of a batch."""
        loss, out = training_loss(self.net, batch)
        n = (batch.weights > 0).sum().to(loss.device)
        sums = torch.stack([loss.detach().double() * n, count_correct(out.logits, batch), n.double()])
        self._sums = sums if self._sums is None else self._sums + sums
        return loss

    def take_epoch_sums(self) -> Tensor:
        """Return and reset (sum of losses, right predictions, samples seen) of this rank, ``(3,)``."""
        sums = torch.zeros(3, dtype=torch.float64) if self._sums is None else self._sums
        self._sums = None
        return sums

    def configure_optimizers(self) -> Any:
        """Make a fresh optimiser and schedule; called anew in every round."""
        optimizer = self.recipe.optimizer(self.net.parameters())
        scheduler = self.recipe.scheduler(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
