"""Fitting many heads at once and herding on a kernel matrix, for thousands of small measurements."""

from __future__ import annotations

import torch
from torch import Tensor

BIAS = 30.0
"""The bias is the weight of a constant feature of this size, so that the penalty hardly holds it."""


def heads(x: Tensor, y: Tensor, sets: list[Tensor], classes: int, l2: float, steps: int = 100) -> Tensor:
    r"""Fit a softmax head with penalty ``l2 / 2 |W|^2`` to each set of rows; all sets of one size.

    Accelerated steps in the metric of Boehning's bound of the Hessian, in the dual: ``W = X' A`` with
    ``A += inv(K / 2n + l2 I) ((Y - P) / n - l2 A)``.

    Returns:
        ``(S, D + 1, C)``, the bias last.
    """
    rows = torch.stack(sets)
    z = torch.cat([x, torch.full_like(x[:, :1], BIAS)], 1)[rows]
    onehot = torch.nn.functional.one_hot(y[rows], classes).to(z)
    n = rows.shape[1]
    k = z @ z.transpose(1, 2)
    inverse = torch.linalg.inv(k.double() / (2 * n) + l2 * torch.eye(n).double()).to(z)
    a = torch.zeros_like(onehot)
    ahead, last = a, torch.ones(())
    for _ in range(steps):
        p = torch.softmax(k @ ahead, 2)
        force = (onehot - p) / n - l2 * ahead
        new = ahead + inverse @ force
        momentum = (1 + (1 + 4 * last**2).sqrt()) / 2
        # Where the step turns against the momentum, it starts again.
        turn = ((new - ahead) * (new - a)).sum((1, 2), keepdim=True) < 0
        ahead = torch.where(turn, new, new + (last - 1) / momentum * (new - a))
        a, last = new, momentum
        if float(force.abs().max()) < 5e-6:
            break
    w = z.transpose(1, 2) @ a
    w[:, -1] *= BIAS
    return w


def logits(x: Tensor, w: Tensor) -> Tensor:
    """Logits ``(S, N, C)``."""
    return x @ w[:, :-1] + w[:, -1:]


class Herder:
    """Weighted herding with the rbf kernel on a matrix of squared distances, lazily."""

    def __init__(self, unit: Tensor, labelled: Tensor, free: Tensor) -> None:
        self.d2 = (2 - 2 * unit[free] @ unit[free].T).clamp(min=0)
        self.known = (2 - 2 * unit[free] @ unit[labelled].T).clamp(min=0).amin(1)
        self._kernels: dict[float, Tensor] = {}

    def pick(self, weights: Tensor, n: int, bandwidth: float, part: Tensor | None = None) -> Tensor:
        """Positions among the free rows; ``part`` restricts candidates and targets."""
        known, w, k = self.known, weights.float(), self._kernel(bandwidth)
        if part is not None:
            known, w, k = known[part], w[part], k[part][:, part]
        cover = torch.exp(known / -(bandwidth**2))
        gain = (k - cover).clamp_(min=0) @ w
        picked: list[int] = []
        fresh = torch.full(gain.shape, 0)
        while len(picked) < n:
            best = int(gain.argmax())
            if int(fresh[best]) == len(picked):
                picked.append(best)
                cover = torch.maximum(cover, k[best])
                gain[best] = -1
                continue
            top = gain.topk(min(8, len(gain))).indices
            gain[top] = torch.where(gain[top] < 0, gain[top], (k[top] - cover).clamp_(min=0) @ w)
            fresh[top] = len(picked)
        found = torch.tensor(picked)
        return found if part is None else part[found]

    def _kernel(self, bandwidth: float) -> Tensor:
        """Return the kernel matrix of a bandwidth, made once."""
        if bandwidth not in self._kernels:
            self._kernels[bandwidth] = torch.exp(self.d2 / -(bandwidth**2))
        return self._kernels[bandwidth]
