"""Cluster-Margin: small margins, spread over clusters that were made once."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import check_count, check_logits, check_shape
from autoal.kernels.precision import full_precision
from autoal.kernels.topk import top_n
from autoal.kernels.types import Picks
from autoal.kernels.uncertainty import margin


@full_precision()
def cluster_margin(logits: Tensor, clusters: Tensor, n: int, factor: float = 10.0) -> Picks:
    r"""Keep the :math:`k_m` smallest margins and take them cluster by cluster, the smallest cluster first.

    Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh, Kumar, *Batch Active Learning at Scale*,
    NeurIPS 2021: round robin over the clusters of the kept samples, in ascending order of how many of them each
    has; of equally large ones that with the smallest margin first. Within a cluster the smaller margin comes first
    (the paper draws at random there).

    Args:
        logits: ``(N, C)`` logits of the pool.
        clusters: ``(N,)`` int64 cluster of each sample, e.g. of :func:`autoal.kernels.average_linkage`.
        n: Number of picks, 1 to N.
        factor: Samples that are kept per pick, at least 1.

    Returns:
        The picks in the order of the visits; the score is :math:`1 - (p_{(1)} - p_{(2)})`. Logs ``candidates``
        (samples that were kept) and ``clusters_visited`` (different clusters in the batch).

    Raises:
        AutoALError: If shapes, values, n or factor are not usable.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.2, 0.0], [0.3, 0.0]])
        >>> cluster_margin(logits, torch.tensor([0, 0, 0, 1]), 2).index
        tensor([3, 0])
    """
    check_logits("logits", logits)
    check_shape("clusters", clusters, len(logits))
    check_count(n, len(logits))
    if not factor >= 1:
        raise AutoALError(f"factor={factor}: at least one candidate per pick is needed, so factor must be >= 1.")
    unsure = margin(logits)
    kept = top_n(unsure, min(len(logits), max(n, int(factor * n))))  # by margin, ties by row
    group = clusters.to(logits.device)[kept]
    _, inverse, size = torch.unique(group, return_inverse=True, return_counts=True)
    ranks = torch.arange(len(kept), device=kept.device)
    first = torch.full_like(size, len(kept)).scatter_reduce_(0, inverse, ranks, "amin")
    order = torch.argsort(first, stable=True)
    order = order[torch.argsort(size[order], stable=True)]
    turn = torch.empty_like(order)
    turn[order] = torch.arange(len(order), device=order.device)
    # Place of each kept sample within its cluster, by margin: they are sorted already.
    by_cluster = torch.argsort(inverse, stable=True)
    start = torch.cumsum(size, 0) - size
    place = torch.empty_like(inverse)
    place[by_cluster] = ranks - start[inverse[by_cluster]]
    visit = torch.argsort(place * len(order) + turn[inverse])[:n]
    index = kept[visit]
    log = {"candidates": float(len(kept)), "clusters_visited": float(len(torch.unique(group[visit])))}
    return Picks(index, unsure[index].double(), log)
