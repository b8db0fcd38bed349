"""A Wasserstein critic between features of labelled and of unlabelled samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


class Critic(nn.Module):
    """MLP ``(B, D) -> (B,)`` without a final sigmoid: a Wasserstein critic is not bounded.

    Args:
        dim: Width D of the features.
        hidden: Units of both hidden layers.
    """

    def __init__(self, dim: int, hidden: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Return the critic's value; trained, it is high where unlabelled samples are and labelled are not."""
        value: Tensor = self.layers(z).squeeze(1)
        return value


def gap(critic: Critic, labelled: Tensor, unlabelled: Tensor, weight: Tensor) -> Tensor:
    r"""Return :math:`\sum_i w_i g(z^U_i) - \sum_i w_i g(z^L_i)`, the dual form of the Wasserstein-1 distance.

    Args:
        critic: :math:`g`.
        labelled: ``(B, D)``.
        unlabelled: ``(B, D)``.
        weight: ``(B,)``, of both.
    """
    value: Tensor = (weight * (critic(unlabelled) - critic(labelled))).sum()
    return value


def gradient_penalty(critic: Critic, labelled: Tensor, unlabelled: Tensor, mix: Tensor, weight: Tensor) -> Tensor:
    r"""Return :math:`\sum_i w_i (\|\nabla g(\hat z_i)\|_2 - 1)^2` between pairs (Gulrajani et al., NeurIPS 2017).

    Args:
        critic: :math:`g`.
        labelled: ``(B, D)``, without gradient.
        unlabelled: ``(B, D)``, without gradient.
        mix: ``(B, 1)`` in [0, 1], the place of :math:`\hat z` between the two.
        weight: ``(B,)``.
    """
    between = (mix * labelled + (1.0 - mix) * unlabelled).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    value: Tensor = (weight * (gradient.norm(dim=1) - 1.0).square()).sum()
    return value


def critic_step(
    critic: Critic,
    optimizer: torch.optim.Optimizer,
    labelled: Tensor,
    unlabelled: Tensor,
    mix: Tensor,
    weight: Tensor,
    penalty: float,
    average: Callable[[Iterable[nn.Parameter]], None],
) -> Tensor:
    r"""Move the critic towards :math:`\max_g \mathrm{gap} - \lambda\, \mathrm{penalty}`; returns the gap before.

    The critic's parameters need no gradient before and after: between its own steps it is a fixed function.

    Args:
        critic: Changed in place.
        optimizer: Of its parameters.
        labelled: ``(B, D)``, without gradient.
        unlabelled: ``(B, D)``, without gradient.
        mix: See :func:`gradient_penalty`.
        weight: ``(B,)``.
        penalty: :math:`\lambda`.
        average: Averages gradients over ranks.
    """
    parameters = list(critic.parameters())
    critic.requires_grad_(True)
    with torch.enable_grad():
        value = gap(critic, labelled, unlabelled, weight)
        loss = penalty * gradient_penalty(critic, labelled, unlabelled, mix, weight) - value
        gradients = torch.autograd.grad(loss, parameters)
    critic.requires_grad_(False)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    average(parameters)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value.detach()
