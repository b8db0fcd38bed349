"""What SearchNet, FitNet and the loss-prediction module minimise: functions of gates, losses and weights."""

from __future__ import annotations

from torch import Tensor


def standardise(losses: Tensor) -> Tensor:
    """Return losses with mean 0 and standard deviation 1, or 0 where they are all equal, ``(B,)``."""
    centred = losses - losses.mean()
    return centred / centred.square().mean().sqrt().clamp(min=1e-6)


def search_loss(gates: Tensor, losses: Tensor, relative: bool) -> Tensor:
    r"""Return :math:`L_S = -\frac1B \sum_j \bar S_j \ell_j` (Eq. 8): gates belong on samples of high loss.

    Args:
        gates: ``(B,)``, with gradient.
        losses: FitNet's cross-entropy ``(B,)``, without.
        relative: Standardise the losses, which makes the scale of the term independent of the round.
    """
    return -(gates * (standardise(losses) if relative else losses)).mean()


def anchor_loss(weights: Tensor, prior: Tensor) -> Tensor:
    r"""Return :math:`KL(\frac1B \sum_j W_j \,\|\, \mathrm{prior})` in nats.

    Args:
        weights: ``(B, K)`` distributions over candidates.
        prior: ``(K,)``.
    """
    mean = weights.mean(0)
    return (mean * (mean.clamp(min=1e-12).log() - prior.log())).sum()


def budget_loss(expected: Tensor, wanted: float) -> Tensor:
    r"""Return :math:`((\alpha - tB) / tB)^2`, which pulls the expected count to the wanted one.

    Eq. 9 uses a logistic of :math:`|\alpha - tB|`, which is flat once the miss exceeds about ten samples, and
    Eq. 7 subtracts it, which would reward missing the budget.

    Args:
        expected: :math:`\alpha`, a scalar with gradient.
        wanted: :math:`tB > 0`.
    """
    return ((expected - wanted) / wanted) ** 2
