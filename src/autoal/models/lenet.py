"""LeNet-5 with ReLU and max-pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoal.models.base import Backbone
from autoal.models.shapes import image_shape


class LeNet(Backbone):
    """Two convolutions and two linear layers (LeCun et al. 1998); the second linear layer is the embedding.

    For 28x28 images this is the usual network; other sizes are average-pooled to its 5x5 map.

    Args:
        input_shape: ``(C, H, W)``, any size from 8x8.
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        channels, height, width = image_shape(input_shape, "lenet")
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        # Below 20 pixels an unpadded convolution would leave nothing to pool.
        self.conv2 = nn.Conv2d(6, 16, 5, padding=0 if min(height, width) >= 20 else 2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.stage_dims = (6, 16, 120, 84)
        self.embedding_dim = 84

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the embedding and the output of each layer."""
        first = F.max_pool2d(torch.relu(self.conv1(x)), 2)
        second = F.max_pool2d(torch.relu(self.conv2(first)), 2)
        third = torch.relu(self.fc1(F.adaptive_avg_pool2d(second, 5).flatten(1)))
        fourth = torch.relu(self.fc2(third))
        return fourth, [first, second, third, fourth]
