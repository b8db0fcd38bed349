"""Multi-layer perceptrons and no network at all, for small images, tables and features."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from autoal.errors import AutoALError
from autoal.models.base import Backbone


class MLP(Backbone):
    """Flatten -> (linear -> ReLU) per hidden layer; the last hidden layer is the embedding.

    Args:
        input_shape: Shape of one sample.
        hidden: Width of each hidden layer, at least one.
    """

    def __init__(self, input_shape: tuple[int, ...], hidden: Sequence[int] = (256,)) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise AutoALError(
                f"backbone.hidden={list(hidden)} is not a list of widths; use backbone=linear for none"
            )
        widths = [math.prod(input_shape), *hidden]
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(widths))
        self.stage_dims = tuple(hidden)
        self.embedding_dim = hidden[-1]

    def parts(self) -> list[nn.Module]:
        """Return the linear layers."""
        return list(self.layers)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the last hidden layer and all hidden layers."""
        features: list[Tensor] = []
        h = x.flatten(1)
        for layer in self.layers:
            h = torch.relu(layer(h))
            features.append(h)
        return h, features


class Linear(Backbone):
    """The inputs are the embedding: with the classifier's head, multinomial logistic regression.

    Args:
        input_shape: Shape of one sample.
    """

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.embedding_dim = math.prod(input_shape)
        self.stage_dims = (self.embedding_dim,)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the flattened inputs."""
        h = x.flatten(1)
        return h, [h]
