"""From weights and votes to scores, and from scores to gates that FitNet and the search loss share."""

from __future__ import annotations

import torch
from torch import Tensor

STEEP = 1e11
"""Slope of the released code's sigmoid."""


def mixing_weights(logits: Tensor, objective: str) -> Tensor:
    """Return W ``(B, K)``: a distribution over candidates, or raw logits as in the released code.

    Args:
        logits: ``(B, K)``.
        objective: The objective's word.
    """
    return logits if objective == "released" else torch.softmax(logits, dim=1)


def combine(weights: Tensor, votes: Tensor) -> Tensor:
    r"""Return the score :math:`s_j = \sum_\kappa W_{\kappa j} V_{\kappa j}` of each sample (Eq. 5-6), ``(B,)``.

    Args:
        weights: ``(B, K)``.
        votes: ``(B, K)`` in [0, 1].
    """
    return (weights * votes).sum(1)


def softmax_gates(scores: Tensor, nominated: Tensor, temperature: float) -> Tensor:
    """Return gates ``(B,)`` of mean 1 that are a softmax over the nominated samples, else 0.

    Args:
        scores: ``(B,)``.
        nominated: Mask ``(B,)``; where it is all False the gates are 0.
        temperature: Softness tau.
    """
    if not bool(nominated.any()):
        return scores * 0.0
    logits = (scores / temperature).masked_fill(~nominated, -torch.inf)
    return torch.softmax(logits, dim=0) * len(scores)


def sigmoid_gates(scores: Tensor, nominated: Tensor, threshold: float, temperature: float) -> Tensor:
    r"""Return :math:`\bar S_j = \sigma((s_j - \vartheta) / \tau)` for nominated samples, else 0 (Eq. 5-6).

    Args:
        scores: ``(B,)``.
        nominated: Mask ``(B,)``.
        threshold: The level of Eq. 4.
        temperature: Softness tau.
    """
    return torch.sigmoid((scores - threshold) / temperature) * nominated.to(scores.dtype)


def released_gates(scores: Tensor, threshold: float) -> Tensor:
    """Return the released code's gates: a step of slope 1e11 on a softmax over samples.

    Args:
        scores: ``(B,)``: votes times raw logits.
        threshold: A level of the softmax values.
    """
    return torch.sigmoid(STEEP * (torch.softmax(scores, dim=0) - threshold))


def expected_count(gates: Tensor, objective: str) -> Tensor:
    r"""Return the expected number :math:`\alpha` of selected samples of a batch, differentiable.

    Args:
        gates: ``(B,)``.
        objective: ``"softmax"`` gates have a fixed sum, so their effective number (inverse Simpson index) is
            taken; otherwise the sum.
    """
    if objective == "softmax":
        total = gates.sum()
        return total.square() / gates.square().sum().clamp(min=1e-12)
    return gates.sum()
