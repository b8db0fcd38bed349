"""Class-conditional Gaussians in feature space."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.kernels.checks import row_blocks


def gaussian_log_density(
    x: Tensor, labelled: Tensor, targets: Tensor, n_classes: int, strength: float | None = None
) -> Tensor:
    r"""Return the log density of features under a mixture of one Gaussian per class.

    :math:`q(z) = \sum_c \pi_c N(z; \mu_c, \Sigma_c)` (Mukhoti et al., CVPR 2023, Algorithm 1), with
    :math:`\pi_c = n_c / L`. The covariance is the posterior mean under an inverse Wishart prior,

    .. math:: \Sigma_c = \frac{n_c S_c + \kappa \Sigma_0}{n_c + \kappa}, \qquad
              \Sigma_0 = (1 - \rho) \bar S + \rho \frac{\mathrm{tr} \bar S}{D} I, \quad \rho = \frac{D}{D + L},

    where :math:`\bar S` is the covariance within classes, pooled: a class with one sample has its mean and the
    pooled shape; a class without samples is left out.

    Args:
        x: Features ``(N, D)``.
        labelled: Features of the labelled samples ``(L, D)``, at least one.
        targets: Their classes ``(L,)``.
        n_classes: Number of classes.
        strength: :math:`\kappa`, in samples; default D.

    Returns:
        ``(N,)`` float64 log densities, finite.
    """
    z, y = labelled.double(), targets.to(labelled.device)
    width = z.shape[1]
    kappa = float(width if strength is None else strength)
    classes = [c for c in range(n_classes) if bool((y == c).any())]
    means = torch.stack([z[y == c].mean(0) for c in classes])
    centred = z - means[torch.bucketize(y, torch.tensor(classes, device=y.device))]
    prior = _shrunk(centred.T @ centred / len(z), len(z), (z - z.mean(0)).square().mean())
    total = torch.full((x.shape[0],), -math.inf, dtype=torch.float64, device=x.device)
    for c, mean in zip(classes, means, strict=True):
        rows = centred[y == c]
        covariance = (rows.T @ rows + kappa * prior) / (len(rows) + kappa)
        # One class at a time: all covariances at once would be C x D x D numbers.
        total = torch.logaddexp(total, math.log(len(rows) / len(z)) + _log_normal(x, mean, covariance))
    return total


def _shrunk(pooled: Tensor, n: int, spread: Tensor) -> Tensor:
    """Shrink a covariance ``(D, D)`` of n samples towards a sphere of the same size, and never to nothing."""
    width = pooled.shape[0]
    share = width / (width + n)
    size = float(pooled.diagonal().mean())
    if size <= 1e-12 * float(spread):
        # Each class sits in one point (one sample each, or duplicates): use the spread between them.
        size = float(spread) or 1.0
        share = 1.0
    eye = torch.eye(width, dtype=pooled.dtype, device=pooled.device)
    return (1.0 - share) * pooled + share * size * eye


def _log_normal(x: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Return the log density ``(N,)`` of a Gaussian."""
    factor = torch.linalg.cholesky(covariance)
    constant = factor.diagonal().log().sum() + 0.5 * len(mean) * math.log(2.0 * math.pi)
    out = torch.empty(x.shape[0], dtype=torch.float64, device=x.device)
    for low, high in row_blocks(x.shape[0], 4 * x.shape[1], x.device):
        offset = (x[low:high].double() - mean).T
        white = torch.linalg.solve_triangular(factor, offset, upper=False)
        out[low:high] = -0.5 * white.square().sum(0) - constant
    return out
