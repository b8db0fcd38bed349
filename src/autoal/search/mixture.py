"""Where the gates open: a quantile of scores, or of a Gaussian mixture fitted to them (Eq. 2-4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_DRAWS = 10_000
_ITERATIONS = 100


def quantile_threshold(scores: Tensor, share: float) -> float:
    """Return the empirical ``1 - share`` quantile.

    Args:
        scores: ``(N,)``.
        share: Fraction t of samples to lie above it.
    """
    return float(torch.quantile(scores.double(), 1.0 - min(max(share, 0.0), 1.0)))


def gmm_threshold(scores: Tensor, share: float, components: int, generator: torch.Generator) -> float:
    """Return the ``1 - share`` quantile of samples from a 1-D Gaussian mixture fitted to the scores.

    The scores are standardised first and sorted, so neither their scale nor their order matters. (A mixture
    fitted to raw softmax values near 1e-3 measures nothing but its own variance floor.)

    Args:
        scores: ``(N,)``.
        share: Fraction t of samples to lie above it.
        components: Components, at most as many as there are distinct scores.
        generator: Draws the samples of Eq. 4.
    """
    x = scores.detach().double().cpu().sort().values
    centre, scale = float(x.mean()), float(x.std(correction=0))
    if scale < 1e-12:
        return centre
    weight, mean, std = fit_mixture((x - centre) / scale, components)
    which = torch.multinomial(weight, _DRAWS, replacement=True, generator=generator)
    draws = mean[which] + std[which] * torch.randn(_DRAWS, generator=generator, dtype=torch.float64)
    return centre + scale * quantile_threshold(draws, share)


def fit_mixture(x: Tensor, components: int) -> tuple[Tensor, Tensor, Tensor]:
    """Fit a 1-D Gaussian mixture by expectation maximisation.

    Args:
        x: ``(N,)`` float64, standardised and sorted.
        components: Number of components; fewer where there are fewer distinct values.

    Returns:
        Weights, means and standard deviations, each ``(components,)``.
    """
    k = min(components, int(torch.unique(x).numel()))
    # Means start at equally spaced quantiles: no randomness, and no two components start alike.
    mean = torch.quantile(x, (torch.arange(k, dtype=x.dtype) + 0.5) / k)
    var = torch.full((k,), float(x.var(correction=0)) / k**2 + 1e-4, dtype=x.dtype)
    weight = torch.full((k,), 1.0 / k, dtype=x.dtype)
    before = -math.inf
    for _ in range(_ITERATIONS):
        logp = weight.log() - 0.5 * (var.log() + (x[:, None] - mean) ** 2 / var)
        total = torch.logsumexp(logp, dim=1, keepdim=True)
        share = (logp - total).exp()
        mass = share.sum(0).clamp(min=1e-9)
        weight = mass / mass.sum()
        mean = (share * x[:, None]).sum(0) / mass
        var = (share * (x[:, None] - mean) ** 2).sum(0) / mass + 1e-4
        now = float(total.mean())
        if now - before < 1e-4:
            break
        before = now
    return weight, mean, var.sqrt()
