"""Optimisers and learning-rate schedules from the ``optimizer`` config."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from hydra.utils import get_class, instantiate
from torch import nn

from autoal.errors import AutoALError, unknown_name
from autoal.training.lbfgs import is_full_batch

SCHEDULES = ("constant", "cosine", "multistep")
FULL_PRECISIONS = ("32-true", "64-true")


class OptimizerRecipe:
    """How a network's parameters are updated: the same for every network of one experiment.

    Args:
        config: An ``optimizer`` config: ``_target_`` and arguments of a torch optimiser, and ``name``,
            ``schedule`` (constant, cosine or multistep), ``warmup_epochs``, ``milestones`` (epochs) and
            ``gamma`` (factor at each milestone).
        epochs: Upper bound of epochs, the period of the cosine.

    Attributes:
        full_batch: Whether every batch holds all labelled samples, and training drops no unit.
    """

    def __init__(self, config: Mapping[str, Any], epochs: int) -> None:
        options = dict(config)
        self.name = str(options.pop("name", ""))
        self.schedule = str(options.pop("schedule", "constant"))
        self.warmup_epochs = int(options.pop("warmup_epochs", 0))
        self.milestones = sorted(int(m) for m in options.pop("milestones", None) or ())
        self.gamma = float(options.pop("gamma", 0.1))
        self.epochs = epochs
        self._options = options
        self.full_batch = is_full_batch(get_class(str(options.get("_target_"))))
        if self.schedule not in SCHEDULES:
            raise unknown_name("optimizer.schedule", self.schedule, SCHEDULES)
        if float(options.get("lr", 1.0)) <= 0:
            raise AutoALError(f"optimizer.lr={options['lr']} is not positive")

    def check_precision(self, precision: str) -> None:
        """Refuse a precision that the optimiser can't work in.

        Raises:
            AutoALError: For a full-batch optimiser in less than float32: its line search compares losses.
        """
        if self.full_batch and precision not in FULL_PRECISIONS:
            raise AutoALError(
                f"optimizer={self.name} compares losses, which trainer.precision={precision} rounds; "
                f"set trainer.precision={' or '.join(FULL_PRECISIONS)}"
            )

    def factor(self, epoch: int) -> float:
        """Return the learning rate of an epoch as a multiple of the configured one."""
        if epoch < self.warmup_epochs:
            return (epoch + 1) / (self.warmup_epochs + 1)
        if self.schedule == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * min(epoch, self.epochs) / self.epochs))
        if self.schedule == "multistep":
            return self.gamma ** sum(epoch >= m for m in self.milestones)
        return 1.0

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Make the optimiser of some parameters; frozen ones are left out."""
        trainable = [p for p in parameters if p.requires_grad]
        optimizer: torch.optim.Optimizer = instantiate(self._options, params=trainable, _convert_="all")
        return optimizer

    def scheduler(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
        """Make the schedule, to be stepped once per epoch."""
        return torch.optim.lr_scheduler.LambdaLR(optimizer, self.factor)
