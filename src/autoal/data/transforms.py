"""From raw batches to network inputs: scaling, augmentation and normalisation, batched, on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from autoal.data.base import DatasetInfo

Augmentation = Callable[[Tensor, int, Tensor], Tensor]
"""``augment(images in 0..1 (B, C, H, W), key, ids (B,)) -> images``; random per sample, keyed by id."""


class InputTransform:
    """Scale, augment (training only) and normalise a raw batch.

    Args:
        info: Gives mean and standard deviation.
        augmentations: Applied in order, in training only.
    """

    def __init__(self, info: DatasetInfo, augmentations: Sequence[Augmentation] = ()) -> None:
        self._shape = (-1, *([1] * (len(info.input_shape) - 1)))
        self._mean = torch.tensor(info.mean) if info.mean else None
        self._std = torch.tensor(info.std) if info.std else None
        self._augmentations = tuple(augmentations)

    def eval(self, raw: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Scale and normalise: the transform of the pool pass and of every evaluation."""
        return self._normalise(self._scale(raw)).to(dtype)

    def train(self, raw: Tensor, key: int, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Scale, augment with draws that depend on ``key`` and each sample's id, and normalise."""
        x = self._scale(raw)
        for augment in self._augmentations:
            x = augment(x, key, ids)
        return self._normalise(x).to(dtype)

    @staticmethod
    def _scale(raw: Tensor) -> Tensor:
        return raw.to(torch.float32) / 255.0 if raw.dtype == torch.uint8 else raw.to(torch.float32)

    def _normalise(self, x: Tensor) -> Tensor:
        if self._mean is None or self._std is None:
            return x
        mean = self._mean.to(x.device).view(self._shape)
        return (x - mean) / self._std.to(x.device).view(self._shape)
