"""EXP4.P, a bandit for a known number of rounds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from autoal.errors import AutoALError


class Exp4P:
    r"""Weights of K arms, updated from estimated rewards (Beygelzimer et al., AISTATS 2011).

    .. math:: p_k = (1 - K p_{min}) \frac{w_k}{\sum_j w_j} + p_{min}, \qquad
              p_{min} = \sqrt{\frac{\ln K}{K T}}

    .. math:: w_k \leftarrow w_k \exp\Big(\frac{p_{min}}{2}
              \Big(\hat r_k + \hat v_k \sqrt{\frac{\ln (K / \delta)}{K T}}\Big)\Big)

    Args:
        n_arms: K.
        horizon: T, rounds.
        delta: Probability with which the regret bound may fail.
    """

    def __init__(self, n_arms: int, horizon: int, delta: float = 0.1) -> None:
        if not 0.0 < delta < 1.0:
            raise AutoALError(f"delta={delta} is not a probability in (0, 1)")
        horizon = max(1, horizon)
        self.p_min = min(1.0 / n_arms, math.sqrt(math.log(n_arms) / (n_arms * horizon)))
        self.confidence = math.sqrt(math.log(n_arms / delta) / (n_arms * horizon))
        self.log_weights = torch.zeros(n_arms, dtype=torch.float64)

    def probabilities(self) -> Tensor:
        """Return the probability of each arm ``(K,)``, float64, none below ``p_min``."""
        spare = 1.0 - len(self.log_weights) * self.p_min
        return spare * torch.softmax(self.log_weights, 0) + self.p_min

    def update(self, reward: Tensor, variance: Tensor) -> None:
        r"""Take in a round.

        Args:
            reward: Estimated rewards :math:`\hat r` ``(K,)``.
            variance: Bounds of their variance :math:`\hat v` ``(K,)``.
        """
        self.log_weights += 0.5 * self.p_min * (reward + self.confidence * variance)
        # The weights matter up to a factor; a largest one of 1 keeps them in range.
        self.log_weights -= self.log_weights.max()

    def state_dict(self) -> dict[str, Any]:
        """Return the weights."""
        return {"log_weights": self.log_weights.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.log_weights = state["log_weights"].clone()
