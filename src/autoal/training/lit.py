"""The LightningModule that trains the task model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from autoal.data.batch import Batch
from autoal.models.classifier import Classifier
from autoal.training.hooks import TrainingHook
from autoal.training.lbfgs import LBFGS
from autoal.training.optim import OptimizerRecipe
from autoal.training.task import count_correct, training_loss


class LitClassifier(pl.LightningModule):
    """Cross-entropy training of a :class:`~autoal.models.classifier.Classifier`.

    It counts what it sees, without a device synchronisation per step; the callback reads the counts at the
    end of an epoch.

    Args:
        net: The network.
        recipe: Optimiser and schedule.
        hook: What ``training`` and the strategy add, or None.
    """

    def __init__(self, net: Classifier, recipe: OptimizerRecipe, hook: TrainingHook | None = None) -> None:
        super().__init__()
        self.net = net
        self.recipe = recipe
        self.hook = hook
        self._sums: Tensor | None = None
        self._batch: tuple[int, Tensor] | None = None
        self._hook_seconds = 0.0
        self._seen: Batch | None = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of a batch."""
        seen_already = None if self.hook is None else self.hook.joint_forward(self.net, batch)
        loss, out = training_loss(self.net, batch, seen_already)
        self._seen = batch
        # All samples of a batch weigh the same, so dividing by that weight gives the plain sum of losses.
        weight = batch.weights.max().to(loss.device, torch.float64)
        total = torch.where(weight > 0, loss.detach().double() / weight, 0.0)
        seen = (batch.weights > 0).sum().to(loss.device, torch.float64)
        sums = torch.stack([total, count_correct(out.logits, batch), seen])
        self._count(batch_idx, sums)
        if self.hook is not None:
            start = time.perf_counter()
            extra = self.hook.extra_loss(self.net, batch, out)
            self._hook_seconds += time.perf_counter() - start
            loss = loss if extra is None else loss + extra
        return loss

    @property
    def round_net(self) -> Classifier:
        """The network that is evaluated and asked: the one under training, or a hook's average of it."""
        other = None if self.hook is None else self.hook.round_net()
        return self.net if other is None else other

    def settle(self) -> None:
        """Make the round's network the classifier; its training is over."""
        if self.round_net is not self.net:
            self.net.load_state_dict(self.round_net.state_dict())

    def _count(self, batch_idx: int | None, sums: Tensor) -> None:
        """Note a batch's sums; an optimiser that looks at a batch several times counts its last look."""
        if self._batch is not None and self._batch[0] != batch_idx:
            self._sums = self._batch[1] if self._sums is None else self._sums + self._batch[1]
        self._batch = None if batch_idx is None else (batch_idx, sums)

    def take_epoch_sums(self) -> Tensor:
        """Return and reset (sum of losses, right predictions, samples seen) of this rank, ``(3,)``."""
        self._count(None, torch.zeros(3))
        sums = torch.zeros(3, dtype=torch.float64) if self._sums is None else self._sums
        self._sums = None
        return sums

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Step; an optimiser that looks at the batch many times is spared what Lightning does around each look.

        The first and the last look are Lightning's; those between give the same bits for half the time.
        """
        inner = getattr(optimizer, "optimizer", optimizer)
        if isinstance(inner, LBFGS):
            inner.again = self._look_again if self._looks_are_plain() else None
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self._seen = None

    def _looks_are_plain(self) -> bool:
        """Whether nothing but the loss and its gradients comes of a look: no hook, ranks or clipping."""
        trainer = self.trainer
        return self.hook is None and trainer.world_size == 1 and not trainer.gradient_clip_val

    def _look_again(self) -> Tensor:
        assert self._seen is not None, "the first look was Lightning's"
        for parameter in self.parameters():
            parameter.grad = None
        with self.trainer.precision_plugin.train_step_context():
            loss, _ = training_loss(self.net, self._seen)
        torch.autograd.backward(loss)
        return loss.detach()

    def take_hook_seconds(self) -> float:
        """Return and reset the seconds spent in the hook's extra losses, without their backward passes."""
        seconds, self._hook_seconds = self._hook_seconds, 0.0
        return seconds

    def configure_optimizers(self) -> Any:
        """Make a fresh optimiser and schedule; called anew in every round."""
        optimizer = self.recipe.optimizer(self.parameters())
        scheduler = self.recipe.scheduler(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
