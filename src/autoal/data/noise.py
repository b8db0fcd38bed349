"""Noise on feature vectors, the counterpart of an image's augmentation."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from autoal.config.values import NotNegative, Share
from autoal.data.augmentation import Augmentation
from autoal.rng import sample_uniform


class FeatureNoise(Augmentation):
    """Add Gaussian noise to normalised features and set some of them to 0, their mean.

    Args:
        std: Standard deviation of the noise; features of data sets that standardise have one of 1.
        drop: Share of the features of each sample that are set to 0.
    """

    of_vectors: ClassVar[bool] = True

    def __init__(self, std: NotNegative = 0.5, drop: Share = 0.2) -> None:
        self.std = std
        self.drop = drop

    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return changed vectors ``(B, F)``."""
        width = x.shape[1]
        draws = sample_uniform(key, ids, 3 * width, x.dtype)
        radius = torch.sqrt(-2 * torch.log(1 - draws[:, :width]))
        noise = radius * torch.cos(2 * math.pi * draws[:, width : 2 * width])
        return torch.where(draws[:, 2 * width :] < self.drop, 0.0, x + self.std * noise)
