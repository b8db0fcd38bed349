"""Multi-layer perceptrons, for small images, tables and features."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoal.models.base import Backbone


class MLP(Backbone):
    """Flatten -> (linear -> ReLU) per hidden layer; the last hidden layer is the embedding.

    Args:
        input_shape: Shape of one sample.
        hidden: Width of each hidden layer, at least one.
    """

    def __init__(self, input_shape: tuple[int, ...], hidden: Sequence[int] = (256,)) -> None:
        super().__init__()
        widths = [math.prod(input_shape), *hidden]
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(widths))
        self.stage_dims = tuple(hidden)
        self.embedding_dim = hidden[-1]

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last hidden layer and all hidden layers."""
        features: list[Tensor] = []
        h = x.flatten(1)
        for layer in self.layers:
            h = torch.relu(layer(h))
            features.append(h)
        return h, features
