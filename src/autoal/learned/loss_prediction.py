"""Predicting the loss of a sample from a network's stages (Yoo, Kweon, *Learning Loss*, CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LossPrediction(nn.Module):
    """Predicts the loss of a sample from stage features (Yoo, Kweon, *Learning Loss*, CVPR 2019).

    Args:
        stage_dims: Channels of each stage.
        width: Hidden units per stage.
    """

    def __init__(self, stage_dims: tuple[int, ...], width: int = 128) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Linear(dim, width) for dim in stage_dims)
        self.out = nn.Linear(width * len(stage_dims), 1)

    def hidden(self, pooled: list[Tensor]) -> Tensor:
        """Return the joint hidden layer ``(B, width * stages)`` of pooled stage features."""
        return torch.cat([torch.relu(layer(x)) for layer, x in zip(self.stages, pooled, strict=True)], dim=1)

    def forward(self, pooled: list[Tensor]) -> Tensor:
        """Return the predicted loss ``(B,)``."""
        predicted: Tensor = self.out(self.hidden(pooled)).squeeze(1)
        return predicted


def pool_stages(stages: list[Tensor]) -> list[Tensor]:
    """Average maps ``(B, C, h, w)`` over space; vectors stay."""
    return [x.flatten(2).mean(2) if x.ndim > 2 else x for x in stages]


def ranking_loss(predicted: Tensor, losses: Tensor, margin: float = 1.0) -> Tensor:
    """Return the mean hinge over all pairs that are predicted in the wrong order, or too close.

    Yoo and Kweon rank B/2 pairs that the order of the batch makes; all pairs do not depend on it and allow any
    batch size.

    Args:
        predicted: Predicted losses ``(B,)``.
        losses: True losses ``(B,)``, without gradient.
        margin: Difference that the predictions of a pair shall have.
    """
    sign = torch.sign(losses[:, None] - losses[None, :])
    hinge = torch.relu(margin - sign * (predicted[:, None] - predicted[None, :]))
    pairs = (sign != 0).to(hinge.dtype)
    return (hinge * pairs).sum() / pairs.sum().clamp(min=1.0)
