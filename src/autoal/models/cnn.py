"""Small convolutional networks that train in seconds on a CPU."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autoal.config.values import Size
from autoal.models.base import Backbone
from autoal.models.shapes import image_shape


class SmallCNN(Backbone):
    """(conv 3x3 -> batch norm -> ReLU -> max-pool 2) per width, 2x2 average pool, one linear layer.

    Args:
        input_shape: ``(C, H, W)``, any size from 8x8.
        widths: Channels of each convolution, at least one.
        embedding_dim: Width of the embedding.
    """

    def __init__(
        self, input_shape: tuple[int, ...], widths: Sequence[int] = (32, 64, 128), embedding_dim: Size = 128
    ) -> None:
        super().__init__()
        channels, _, _ = image_shape(input_shape, "small_cnn")
        sizes = [channels, *(int(w) for w in widths)]
        self.blocks = nn.ModuleList(
            # The batch norm's shift takes the place of the convolution's bias.
            nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU())
            for n_in, n_out in itertools.pairwise(sizes)
        )
        self.project = nn.Linear(sizes[-1] * 4, embedding_dim)
        self.stage_dims = tuple(sizes[1:])
        self.embedding_dim = embedding_dim

    def parts(self) -> list[nn.Module]:
        """Return the convolution blocks and the projection, from input to output."""
        return [*self.blocks, self.project]

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the embedding and the output of each block."""
        features: list[Tensor] = []
        for block in self.blocks:
            # ceil_mode keeps a 1x1 map where an 8x8 input has been halved as often as it can be.
            x = F.max_pool2d(block(x), 2, ceil_mode=True)
            features.append(x)
        pooled = F.adaptive_avg_pool2d(x, 2).flatten(1)
        return torch.relu(self.project(pooled)), features
