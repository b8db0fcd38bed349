"""Networks of the search: SearchNet with its loss-prediction module, and a single learnt weight vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autoal.learned.loss_prediction import LossPrediction, pool_stages
from autoal.models.base import Backbone
from autoal.models.classifier import Classifier
from autoal.training.hooks import seeded

Fetch = Callable[[Tensor], Tensor]
"""``fetch(ids) -> inputs`` of a network of the search."""

HEAD_SCALE = 0.01
"""Initial head weights are this times the usual ones: weights start at the prior, and gradients still pass."""


class WeightOutput(NamedTuple):
    """What a weight source says about B samples.

    Attributes:
        logits: ``(B, K)``; their softmax over candidates is W of Eq. 5.
        predicted: Predicted loss ``(B,)``, or None without a loss-prediction module.
        pooled: Detached stage features, one ``(B, stage_dims[i])`` per stage; empty without the module.
    """

    logits: Tensor
    predicted: Tensor | None
    pooled: list[Tensor]


def prior_logits(prior: Tensor) -> Tensor:
    """Return logits of mean 0 whose softmax is the prior; the mean matters where logits are used raw."""
    logits = prior.log()
    return logits - logits.mean()


class GlobalWeights(nn.Module):
    """One logit per candidate, the same for every sample.

    Args:
        prior: ``(K,)`` weights to start from.
    """

    def __init__(self, prior: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(prior_logits(prior))

    def weigh(self, fetch: Fetch, ids: Tensor) -> WeightOutput:
        """Return the vector for each id; no input is fetched."""
        return WeightOutput(self.logits.expand(len(ids), -1), None, [])

    def search_parameters(self) -> list[nn.Parameter]:
        """Return the vector."""
        return [self.logits]


class SearchNet(nn.Module):
    """Backbone -> K logits per sample, with a loss-prediction module on the backbone's stages.

    Args:
        backbone: Of the same kind as the classifier's.
        prior: ``(K,)`` weights to start from.
        mode: ``"full"``, ``"resnet"`` (no loss prediction) or ``"loss_prediction"`` (the head reads the
            module's hidden layer, and the backbone learns only from the ranking of losses).
        seed: Of the initial weights of the head and the module.
    """

    def __init__(self, backbone: Backbone, prior: Tensor, mode: str, seed: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.mode = mode
        self.loss_prediction, self.head = seeded(lambda: _heads(backbone, len(prior), mode), seed)
        with torch.no_grad():
            self.head.weight.mul_(HEAD_SCALE)
            self.head.bias.copy_(prior_logits(prior))

    def weigh(self, fetch: Fetch, ids: Tensor) -> WeightOutput:
        """Run the network on the inputs of ``ids``."""
        output: WeightOutput = self(fetch(ids))
        return output

    def forward(self, x: Tensor) -> WeightOutput:
        """Return weights' logits and predicted losses of normalised inputs ``(B, *input_shape)``."""
        embedding, stages = self.backbone.stages(x)
        if self.loss_prediction is None:
            return WeightOutput(self.head(embedding), None, [])
        pooled = pool_stages(stages)
        predicted = self.loss_prediction(pooled)
        detached = [p.detach() for p in pooled]
        if self.mode == "loss_prediction":
            embedding = self.loss_prediction.hidden(detached).detach()
        return WeightOutput(self.head(embedding), predicted, detached)

    def search_parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters of backbone and head."""
        own = [*self.backbone.parameters(), *self.head.parameters()]
        return [p for p in own if p.requires_grad]


def _heads(backbone: Backbone, n_candidates: int, mode: str) -> tuple[LossPrediction | None, nn.Linear]:
    """Build the loss-prediction module and SearchNet's head, in this order of drawing weights."""
    module = None if mode == "resnet" else LossPrediction(backbone.stage_dims)
    width = backbone.embedding_dim
    if module is not None and mode == "loss_prediction":
        width = module.out.in_features
    return module, nn.Linear(width, n_candidates)


class Identity(Backbone):
    """Passes frozen features on, so that heads on them are networks like any other.

    Args:
        dim: Width of the features.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding_dim = dim
        self.stage_dims = (dim,)

    def stages(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the features themselves, as the embedding and the only stage."""
        return x, [x]


def head_on_features(dim: int, n_classes: int, dropout: float, seed: int) -> Classifier:
    """Build a linear classifier of frozen features ``(B, dim)``."""
    return seeded(lambda: Classifier(Identity(dim), n_classes, dropout), seed)


def has_batch_statistics(net: nn.Module) -> bool:
    """Return whether a batch's outputs depend on which samples share it (batch norm that trains)."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules())


def freeze_batch_statistics(net: nn.Module) -> None:
    """Let batch norm use and keep its running statistics, whatever the network's mode."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
