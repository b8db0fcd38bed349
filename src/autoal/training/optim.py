"""Optimisers and learning-rate schedules from the ``optimizer`` config."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from autoal.config.instantiate import first_line, plan, split
from autoal.config.training import OPTIMIZER_RANGES, OptimizerKeys
from autoal.errors import AutoALError
from autoal.training.lbfgs import is_full_batch

FULL_PRECISIONS = ("32-true", "64-true")


class OptimizerRecipe:
    """How a network's parameters are updated: the same for every network of one experiment.

    Args:
        config: An ``optimizer`` config: ``_target_`` and arguments of a torch optimiser, and those of
            :class:`~autoal.config.training.OptimizerKeys`.
        epochs: Upper bound of epochs, the period of the cosine.

    Attributes:
        full_batch: Whether every batch holds all labelled samples, and training drops no unit.

    Raises:
        AutoALError: If a key, a value or the optimiser is not valid.
    """

    def __init__(self, config: Mapping[str, Any], epochs: int) -> None:
        keys, rest = split(config, OptimizerKeys, "optimizer")
        self.name = keys.name
        self.schedule = keys.schedule
        self.warmup_epochs = keys.warmup_epochs
        self.milestones = sorted(keys.milestones or ())
        self.gamma = keys.gamma
        self.decay = keys.decay
        self.epochs = epochs
        kind = torch.optim.Optimizer
        self._plan = plan("optimizer", rest, kind, ("params",), OPTIMIZER_RANGES, OptimizerKeys)
        self.full_batch = is_full_batch(self._plan.cls)
        self._try()

    def _try(self) -> None:
        """Take one step with a parameter of its own: some values fail there and not in the constructor."""
        parameter = nn.Parameter(torch.ones(2, 2))
        optimizer = self.optimizer([parameter])

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = parameter.square().sum()
            loss.backward()
            return loss

        try:
            if self.full_batch:
                optimizer.step(closure)  # type: ignore[arg-type]
            else:
                closure()
                optimizer.step()
        except Exception as error:  # whatever an optimiser makes of options that it can't work with
            name = self._plan.cls.__name__
            raise AutoALError(f"optimizer: {name} can't take a step: {first_line(error)}") from error

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
        if self.schedule == "cosine_7_16":
            return math.cos(math.pi * 7 * min(epoch, self.epochs) / (16 * self.epochs))
        if self.schedule == "multistep":
            return self.gamma ** sum(epoch >= m for m in self.milestones)
        return 1.0

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Make the optimiser of some parameters; frozen ones are left out."""
        trainable = [p for p in parameters if p.requires_grad]
        groups: list[dict[str, Any]] = []
        if self.decay == "weights":
            # Biases, and scale and shift of a normalisation, have one dimension.
            matrices, flat = [p for p in trainable if p.ndim >= 2], [p for p in trainable if p.ndim < 2]
            groups = [g for g in ({"params": matrices}, {"params": flat, "weight_decay": 0.0}) if g["params"]]
        optimizer: torch.optim.Optimizer = self._plan.build(params=groups or trainable)
        return optimizer

    def scheduler(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
        """Make the schedule, to be stepped once per epoch."""
        return torch.optim.lr_scheduler.LambdaLR(optimizer, self.factor)
