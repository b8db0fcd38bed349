"""Average-linkage clustering, exact for small sets and on micro-clusters for large ones."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import check_matrix, row_blocks
from autoal.kernels.kmeans import weighted_kmeans
from autoal.kernels.precision import full_precision


@full_precision()
def average_linkage(
    embeddings: Tensor,
    generator: torch.Generator,
    threshold: float | None = None,
    average_size: float = 2.0,
    exact_limit: int = 4096,
    micro_clusters: int = 2048,
) -> tuple[Tensor, dict[str, float]]:
    r"""Merge clusters, the two of smallest mean distance first.

    Up to ``exact_limit`` samples every pair counts (memory: that number squared, in float64). A larger set is
    first cut into micro-clusters by k-means, whose centroids are then merged, each counting as many times as it
    has samples. That is an approximation, and the log says so.

    Args:
        embeddings: ``(N, D)`` samples.
        generator: The source of randomness of the micro-clusters; unused below the limit.
        threshold: Mean Euclidean distance from which clusters are kept apart, or ``None``: then merging stops at
            ``N / average_size`` clusters.
        average_size: Samples per cluster, at least 1.
        exact_limit: Largest number of samples whose pairs are all used.
        micro_clusters: Number of micro-clusters, at most ``exact_limit``.

    Returns:
        The cluster of each sample, ``(N,)`` int64, numbered in the order of their first sample, and a log:
        ``clusters``, and ``micro_clusters``, 0 where the linkage is exact.

    Raises:
        AutoALError: If shapes, values or options are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [0.1], [5.0], [5.2]])
        >>> average_linkage(x, torch.Generator(), threshold=1.0)[0]
        tensor([0, 0, 1, 1])
    """
    check_matrix("embeddings", embeddings)
    if threshold is not None and not 0 <= threshold < math.inf:
        raise AutoALError(f"threshold={threshold}: a finite distance that is not negative is needed.")
    if not average_size >= 1:
        raise AutoALError(f"average_size={average_size}: a cluster has at least 1 sample.")
    if not 1 <= micro_clusters <= exact_limit:
        raise AutoALError(f"micro_clusters={micro_clusters} must lie between 1 and exact_limit={exact_limit}.")
    rows = len(embeddings)
    wanted = max(1, math.ceil(rows / average_size))
    micro, points, size = None, embeddings, torch.ones(rows, dtype=torch.float64)
    if rows > exact_limit:
        batch = 16_384 if rows > 100_000 else None
        points, micro = weighted_kmeans(embeddings, micro_clusters, generator, max_iter=20, batch_size=batch)
        size = torch.bincount(micro.cpu(), minlength=micro_clusters).double()
        used = (size > 0).nonzero().squeeze(1)
        place = torch.zeros(micro_clusters, dtype=torch.int64)
        place[used] = torch.arange(len(used))
        points, size, micro = points[used.to(points.device)], size[used], place[micro.cpu()]
    merges = _chain(_distances(points), size.numpy())
    label = torch.from_numpy(_cut(merges, len(points), threshold, min(wanted, len(points))))
    if micro is not None:
        label = label[micro]
    # Numbered by first appearance, so that neither the order of merges nor the numbers of k-means show.
    _, inverse = torch.unique(label, return_inverse=True)
    first = torch.full((int(inverse.max()) + 1,), rows, dtype=torch.int64)
    first.scatter_reduce_(0, inverse, torch.arange(rows), "amin")
    rank = torch.empty_like(first)
    rank[torch.argsort(first)] = torch.arange(len(first))
    log = {"clusters": float(len(first)), "micro_clusters": 0.0 if micro is None else float(len(points))}
    return rank[inverse].to(embeddings.device), log


def _distances(x: Tensor) -> np.ndarray:
    """``(m, m)`` float64 Euclidean distances by differences."""
    wide = x.double()
    out = torch.empty(len(x), len(x), dtype=torch.float64, device=x.device)
    for low, high in row_blocks(len(x), len(x), x.device):
        out[low:high] = torch.cdist(wide[low:high], wide, compute_mode="donot_use_mm_for_euclid_dist")
    return out.cpu().numpy()


def _chain(distance: np.ndarray, size: np.ndarray) -> list[tuple[float, int, int]]:
    """All merges as (mean distance, a cluster, the other), by chains of nearest neighbours.

    Average linkage is reducible, so two clusters that are each other's nearest may merge whatever happens
    elsewhere: m merges of O(m) each instead of a search of all pairs. ``distance`` is used up.
    """
    count = len(size)
    size, alive = size.astype(np.float64), np.ones(count, dtype=bool)
    np.fill_diagonal(distance, np.inf)
    merges: list[tuple[float, int, int]] = []
    chain: list[int] = []
    while len(merges) < count - 1:
        if not chain:
            chain = [int(np.argmax(alive))]
        while True:
            last = chain[-1]
            row = distance[last]
            near = int(row.argmin())
            # The one before in the chain wins ties: a chain of equal distances would not end otherwise.
            if len(chain) > 1 and row[chain[-2]] <= row[near]:
                near = chain[-2]
                break
            chain.append(near)
        del chain[-2:]
        keep, gone = min(last, near), max(last, near)
        merges.append((float(distance[last, near]), keep, gone))
        total = size[keep] + size[gone]
        mixed = (size[keep] / total) * distance[keep] + (size[gone] / total) * distance[gone]
        mixed[keep] = np.inf
        distance[keep], distance[:, keep] = mixed, mixed
        distance[gone], distance[:, gone] = np.inf, np.inf
        size[keep], alive[gone] = total, False
    return merges


def _cut(merges: list[tuple[float, int, int]], count: int, threshold: float | None, wanted: int) -> np.ndarray:
    """The cluster of each point when merging stops."""
    parent = np.arange(count)

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = int(parent[i])
        return i

    ordered = sorted(range(len(merges)), key=lambda k: (merges[k][0], k))
    for done, k in enumerate(ordered):
        height, a, b = merges[k]
        if height >= threshold if threshold is not None else count - done <= wanted:
            break
        parent[root(b)] = root(a)
    return np.array([root(i) for i in range(count)], dtype=np.int64)
