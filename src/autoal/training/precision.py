"""In which precision a query computes, and in which one it trains further networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from lightning.pytorch.plugins.precision import Precision
from torch import Tensor

NARROW = (torch.float16, torch.bfloat16)


@contextmanager
def exact(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Compute in float32 at least inside the block, whatever precision the training around it has.

    Picks hang on differences that half precision rounds away, so no autocast and no narrow default type reaches
    logits, embeddings and scores.

    Args:
        device: Where the block computes.
        dtype: Type of the classifier's parameters.

    Example:
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), exact(torch.device("cpu"), torch.float32):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if dtype in NARROW else dtype)
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_default_dtype(before)


class Mixed:
    """Trains a further network as the trainer trains the classifier: its autocast, and its loss scaling for fp16.

    One of these belongs to one optimiser.

    Args:
        plugin: The trainer's precision; None: the type of the parameters.
    """

    def __init__(self, plugin: Precision | None = None) -> None:
        self._plugin = plugin
        self._scaler: Any = None
        if getattr(plugin, "scaler", None) is not None:
            # Not the trainer's own: its scale follows from the gradients of another network.
            self._scaler = torch.amp.GradScaler(device=str(getattr(plugin, "device", "cuda")))

    def forward(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass and its loss."""
        return nullcontext() if self._plugin is None else self._plugin.forward_context()

    def scaled(self, loss: Tensor) -> Tensor:
        """Return the loss to go backward from."""
        if self._scaler is None:
            return loss
        scaled: Tensor = self._scaler.scale(loss)
        return scaled

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the step of gradients from a :meth:`scaled` loss; one with infinite gradients is left out."""
        if self._scaler is None:
            optimizer.step()
            return
        self._scaler.step(optimizer)
        self._scaler.update()
