"""From weights and votes to scores, and from scores to gates that FitNet and the search loss share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

Threshold = Callable[[Tensor], float]
"""``threshold(scores) -> level``."""

STEEP = 1e11
"""Slope of the released code's sigmoid."""


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


class Objective(ABC):
    """How logits become weights and scores become gates, and what the search loss makes of them.

    Attributes:
        relative: Whether the search loss standardises FitNet's losses.
    """

    relative: ClassVar[bool] = False

    def weights(self, logits: Tensor) -> Tensor:
        """Return W ``(B, K)``, a distribution over candidates, from logits ``(B, K)``."""
        return torch.softmax(logits, dim=1)

    @abstractmethod
    def gates(
        self, scores: Tensor, nominated: Tensor, whole: Tensor, threshold: Threshold, temperature: float
    ) -> Tensor:
        """Return gates ``(B,)``.

        Args:
            scores: Of a batch ``(B,)``.
            nominated: Mask ``(B,)``.
            whole: Scores of the whole held-out half ``(n,)``.
            threshold: Gives the level above which the wanted share of some scores lies.
            temperature: Softness tau.
        """

    def expected(self, gates: Tensor) -> Tensor:
        r"""Return the expected number :math:`\alpha` of selected samples of a batch, differentiable."""
        return gates.sum()

    def count(self, gates: Tensor) -> Tensor:
        """Return the number that the budget penalty compares with the wanted one."""
        return self.expected(gates)


class SoftmaxObjective(Objective):
    """Gates are a softmax over the nominated samples of a batch."""

    relative = True

    def gates(
        self, scores: Tensor, nominated: Tensor, whole: Tensor, threshold: Threshold, temperature: float
    ) -> Tensor:
        """Return :func:`softmax_gates`."""
        return softmax_gates(scores, nominated, temperature)

    def expected(self, gates: Tensor) -> Tensor:
        """Return the effective number (inverse Simpson index) of gates, whose sum is fixed."""
        return gates.sum().square() / gates.square().sum().clamp(min=1e-12)


class SigmoidObjective(Objective):
    """Gates open around a threshold of the whole half: Eq. 5-6, relaxed."""

    def gates(
        self, scores: Tensor, nominated: Tensor, whole: Tensor, threshold: Threshold, temperature: float
    ) -> Tensor:
        """Return :func:`sigmoid_gates`; a small batch alone would make a coarse threshold."""
        return sigmoid_gates(scores, nominated, threshold(whole), temperature)


class ReleasedObjective(Objective):
    """The released code: raw logits as weights, and a step of slope 1e11."""

    def weights(self, logits: Tensor) -> Tensor:
        """Return the logits themselves."""
        return logits

    def gates(
        self, scores: Tensor, nominated: Tensor, whole: Tensor, threshold: Threshold, temperature: float
    ) -> Tensor:
        """Return :func:`released_gates`."""
        return released_gates(scores, threshold(torch.softmax(scores.detach(), 0)))

    def count(self, gates: Tensor) -> Tensor:
        """Count open gates, as the released code does with ``.item()``: nothing learns from that."""
        return (gates > 0.5).sum().to(gates)


OBJECTIVES: dict[str, Objective] = {
    "softmax": SoftmaxObjective(),
    "sigmoid": SigmoidObjective(),
    "released": ReleasedObjective(),
}
"""By the word of ``strategy.objective``."""
