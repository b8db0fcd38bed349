"""Temperature and bandwidth for uncertainty herding, from the labelled samples only."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import check_logits, check_matrix, check_shape
from autoal.kernels.precision import full_precision
from autoal.kernels.rows import Rows, distance_blocks

_MOST = 5000
_GRID = tuple(round(1 + 0.1 * k, 1) for k in range(190))
BANDWIDTHS = ("minimum", "quantile", "median")
"""Rules for the bandwidth: which of the distances of labelled samples to the nearest other one is taken."""


@full_precision()
def fit_temperature(logits: Tensor, targets: Tensor) -> float:
    r"""Return the temperature T in {1.0, 1.1, .., 19.9} with the least negative log-likelihood of logits / T.

    Args:
        logits: ``(n, C)`` of samples that the classifier was not trained on.
        targets: ``(n,)`` int64 their classes.

    Returns:
        T; the smaller one of two that are equally good.

    Raises:
        AutoALError: If shapes or values are not usable.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
        >>> fit_temperature(logits, torch.tensor([0, 0, 0, 1]))  # right in 3 of 4: 4 / T = log 3
        3.6
    """
    check_logits("logits", logits)
    check_shape("targets", targets, logits.shape[0])
    wide = logits.double()
    loss = [float(torch.nn.functional.cross_entropy(wide / t, targets)) for t in _GRID]
    best = min(loss)
    return next(t for t, value in zip(_GRID, loss, strict=True) if value <= best * (1 + 1e-12))


@full_precision()
def crossfit_temperature(
    embeddings: Tensor, targets: Tensor, classes: int, generator: torch.Generator, folds: int = 5
) -> float:
    r"""Calibrate by logits that softmax heads on the embeddings give to samples they were not fitted on.

    The labelled samples are dealt into folds; a head with an L2 penalty, fitted to the other folds, gives the
    logits of each. :func:`fit_temperature` then takes all of them. Unlike a held-out part of the most recent
    labels, which are the hardest, this uses every label once.

    Args:
        embeddings: ``(L, D)`` of the labelled samples.
        targets: ``(L,)`` int64 their classes.
        classes: Number of classes C.
        generator: Deals the folds; above 5,000 labels it also draws those that are used.
        folds: Number of folds, at least 2.

    Returns:
        T; 1 with fewer than 2 C labels, which say too little.

    Raises:
        AutoALError: If shapes, values or the number of folds are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[-2.0], [-1.5], [-1.0], [1.0], [1.5], [2.0]])
        >>> targets = torch.tensor([0, 0, 0, 1, 1, 1])
        >>> crossfit_temperature(x, targets, 2, torch.Generator().manual_seed(0), folds=3)
        1.0
    """
    check_matrix("embeddings", embeddings)
    check_shape("targets", targets, embeddings.shape[0])
    if folds < 2:
        raise AutoALError(f"folds={folds}: at least 2 are needed.")
    if embeddings.shape[0] < max(2 * classes, folds):
        return 1.0
    order = torch.randperm(embeddings.shape[0], generator=generator, device=generator.device)[:_MOST]
    order = order.to(embeddings.device)
    x, y = embeddings[order].double(), targets[order].to(embeddings.device)
    x = x - x.mean(0)
    x = x / x.square().sum(1).mean().sqrt().clamp(min=1e-12)
    x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    fold = torch.arange(x.shape[0], device=x.device) % folds
    logits = torch.empty(x.shape[0], classes, dtype=torch.float64, device=x.device)
    for k in range(folds):
        logits[fold == k] = x[fold == k] @ _softmax_head(x[fold != k], y[fold != k], classes)
    return fit_temperature(logits, y)


def _softmax_head(x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Weights ``(D + 1, C)`` that minimise mean cross-entropy + |W|^2 / 2n; the last row is the bias."""
    weight = torch.zeros(x.shape[1], classes, dtype=torch.float64, device=x.device)
    onehot = torch.nn.functional.one_hot(y, classes).double()
    optimiser = torch.optim.LBFGS([weight], max_iter=100, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        logp = torch.log_softmax(x @ weight, dim=1)
        penalty = weight[:-1] / len(x)
        weight.grad = x.T @ (logp.exp() - onehot) / len(x)
        weight.grad[:-1] += penalty
        return -(onehot * logp).sum() / len(x) + 0.5 * (penalty * weight[:-1]).sum()

    optimiser.step(loss)
    return weight


@full_precision()
def labelled_bandwidth(labelled: Tensor | None, rule: str = "minimum", normalise: bool = True) -> float:
    """Return a bandwidth from the distances of labelled samples to the nearest other one that is no copy.

    Args:
        labelled: ``(L, D)`` labelled samples, or None.
        rule: ``"minimum"`` (as published: the least distance of any two), ``"quantile"`` (the 5 % quantile) or
            ``"median"``.
        normalise: Divide rows by their lengths first.

    Returns:
        The distance; 1 without two samples that differ.

    Raises:
        AutoALError: If the values or the rule are not usable.

    Example:
        >>> import torch
        >>> labelled_bandwidth(torch.tensor([[0.0], [1.0], [4.0], [4.0]]), "minimum", normalise=False)
        1.0
    """
    if rule not in BANDWIDTHS:
        raise AutoALError(f"bandwidth rule '{rule}' does not exist. Valid: {', '.join(BANDWIDTHS)}")
    if labelled is None or labelled.shape[0] < 2:
        return 1.0
    check_matrix("labelled", labelled)
    rows = Rows(labelled, labelled.shape[0], World(), normalise)
    nearest = torch.full((labelled.shape[0],), torch.inf, dtype=torch.float64, device=labelled.device)
    for first in range(0, labelled.shape[0], 1024):
        for low, high, squared in distance_blocks(rows, labelled[first : first + 1024]):
            here = squared.masked_fill_(squared <= 0, torch.inf).amin(1)
            nearest[low:high] = torch.minimum(nearest[low:high], here)
    found = nearest[torch.isfinite(nearest)].sort().values
    if not found.numel():
        return 1.0
    share = {"minimum": 0.0, "quantile": 0.05, "median": 0.5}[rule]
    return math.sqrt(float(found[math.floor(share * (found.numel() - 1))]))
