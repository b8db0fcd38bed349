"""CLUE: clusters of the embeddings, weighted by uncertainty."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_logits, check_matrix, compute_dtype
from autoal.kernels.kmeans import kmeans
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks
from autoal.kernels.uncertainty import entropy


@full_precision()
def clue(
    embeddings: Tensor,
    logits: Tensor,
    n: int,
    generator: torch.Generator,
    temperature: float = 1.0,
    max_iter: int = 100,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Picks:
    r"""Cluster the pool into n groups, each sample weighing as much as it is uncertain; take the nearest samples.

    Prabhu, Chandrasekaran, Saenko, Hoffman, *Active Domain Adaptation via Clustering Uncertainty-weighted
    Embeddings*, ICCV 2021: k-means with weights :math:`H(\mathrm{softmax}(f(x) / T))`.

    Args:
        embeddings: ``(N, D)`` embeddings of the pool.
        logits: ``(N, C)`` logits of the pool.
        n: Number of picks, 1 to N.
        generator: The source of randomness of the seeding.
        temperature: T of the softmax; small values weigh the most uncertain samples more.
        max_iter: Largest number of k-means iterations.
        batch_size: Size of mini-batches for large pools, or ``None``.
        progress: Called with (iterations done, ``max_iter``).

    Returns:
        The picks; the score is the share of all entropy in the pick's cluster. Where every prediction is certain,
        all samples weigh the same. Logs what :func:`autoal.kernels.kmeans` logs.

    Raises:
        AutoALError: If shapes, values, n or temperature are not usable.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.0], [0.1], [9.0]])
        >>> sorted(clue(z, torch.zeros(3, 2), 2, torch.Generator().manual_seed(0)).index.tolist())[1]
        2
    """
    check_logits("logits", logits)
    check_matrix("embeddings", embeddings, rows=logits.shape[0])
    check_count(n, logits.shape[0])
    if not 0 < temperature < math.inf:
        raise AutoALError(f"temperature={temperature}: it must be positive and finite.")
    largest = torch.finfo(compute_dtype(logits)).max / 2
    cooled = (logits.to(compute_dtype(logits)) / temperature).clamp(-largest, largest)
    return kmeans(embeddings, n, generator, entropy(cooled), max_iter, batch_size, progress=progress)
