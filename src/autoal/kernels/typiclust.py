"""TypiClust: the most typical sample of each cluster that has few labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_matrix, row_blocks
from autoal.kernels.kmeans import weighted_kmeans
from autoal.kernels.precision import full_precision
from autoal.kernels.rows import Rows
from autoal.kernels.similarity import squared_distances
from autoal.kernels.ties import largest
from autoal.kernels.types import Picks

_SOFTENER = 1e-5
"""Added to the mean distance, as published, so that copies of one sample have a finite typicality."""


@dataclass
class _Cluster:
    """The members of a cluster that are still to be had, and how often it has a label."""

    members: Tensor
    size: int
    labelled: int


@full_precision()
def typiclust(
    features: Tensor,
    n: int,
    generator: torch.Generator,
    labelled: Tensor | None = None,
    max_clusters: int = 500,
    smallest: int = 5,
    neighbours: int = 20,
    max_iter: int = 50,
    normalise: bool = True,
    progress: Progress | None = None,
) -> Picks:
    r"""Cluster pool and labelled samples together and pick the most typical sample of cluster after cluster.

    Hacohen, Dekel, Weinshall, *Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets*,
    ICML 2022 (TPC_RP). K-means makes ``min(n + L, max_clusters)`` clusters. Those with the fewest labels come
    first, larger ones before smaller ones; they are visited in turn, and each gives the sample with the largest
    typicality :math:`1 / (\frac1K \sum_{k} \|z - z_k\| + 10^{-5})` over its K = min(``neighbours``, half the
    members) nearest unlabelled members. Distances are distances, not squares.

    Args:
        features: ``(N, D)`` pool, any floating type.
        n: Number of picks, 1 to N.
        generator: Seeds k-means.
        labelled: ``(L, D)`` labelled samples, or None.
        max_clusters: Largest number of clusters.
        smallest: Clusters of so few samples are visited only when all others are used up.
        neighbours: Largest number of neighbours that make a sample typical.
        max_iter: Iterations of k-means.
        normalise: Divide rows by their lengths first; a row of zeros stays.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the typicality (0 for a member that is left alone). Logs ``clusters`` that are not
        empty and ``small_clusters`` that come last.

    Raises:
        AutoALError: If shapes, values, n or an option are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.3], [0.0, 1.0], [0.1, 1.0], [0.3, 1.0]])
        >>> known = torch.tensor([[1.0, 0.1]])
        >>> picks = typiclust(x, 1, torch.Generator().manual_seed(0), known, smallest=1)
        >>> int(picks.index) in (3, 4, 5)  # of the cluster without a label
        True
    """
    check_matrix("features", features)
    check_count(n, features.shape[0])
    for name, value, least in (("max_clusters", max_clusters, 1), ("neighbours", neighbours, 1)):
        if value < least:
            raise AutoALError(f"{name}={value}: at least {least} is needed.")
    rows = Rows(features, features.shape[0], World(), normalise)
    parts = [features]
    if labelled is not None and labelled.shape[0] > 0:
        check_matrix("labelled", labelled, columns=features.shape[1])
        parts.insert(0, labelled.to(features.device))
    clusters, few = _cluster(rows, parts, min(n + parts[0].shape[0] * (len(parts) - 1), max_clusters), smallest,
                             generator, max_iter)  # fmt: skip
    index: list[int] = []
    score: list[float] = []
    for group in (clusters, few):
        while len(index) < n and any(cluster.members.numel() for cluster in group):
            for cluster in group:
                if len(index) == n:
                    break
                if not cluster.members.numel():
                    continue
                typical = typicality(rows, cluster.members, neighbours)
                place = largest(typical)
                index.append(int(cluster.members[place]))
                score.append(float(typical[place]))
                cluster.members = torch.cat([cluster.members[:place], cluster.members[place + 1 :]])
                if progress is not None:
                    progress(len(index), n)
    log = {"clusters": float(len(clusters) + len(few)), "small_clusters": float(len(few))}
    device = features.device
    return Picks(torch.tensor(index, device=device), torch.tensor(score, dtype=torch.float64, device=device), log)


def _cluster(
    rows: Rows, parts: list[Tensor], k: int, smallest: int, generator: torch.Generator, max_iter: int
) -> tuple[list[_Cluster], list[_Cluster]]:
    """Return the clusters in the order of visits: the large ones, and the small ones."""
    known = sum(part.shape[0] for part in parts[:-1])
    whole = torch.empty(known + rows.n, rows.mine.shape[1], dtype=rows.dtype, device=rows.device)
    start = 0
    for part in parts:
        for low, high in row_blocks(part.shape[0], 2 * part.shape[1], rows.device):
            whole[start + low : start + high] = rows.unit(part[low:high], rows.dtype)[0]
        start += part.shape[0]
    _, assignment = weighted_kmeans(whole, min(k, whole.shape[0]), generator, max_iter=max_iter)
    k = int(assignment.max()) + 1
    labels = torch.bincount(assignment[:known], minlength=k).tolist()
    sizes = torch.bincount(assignment, minlength=k).tolist()
    order = torch.argsort(assignment[known:], stable=True)
    members = order.split(torch.bincount(assignment[known:], minlength=k).tolist())
    every = [_Cluster(m, size, count) for m, size, count in zip(members, sizes, labels, strict=True) if size]
    every.sort(key=lambda cluster: (cluster.labelled, -cluster.size))
    return [c for c in every if c.size > smallest], [c for c in every if c.size <= smallest]


def typicality(rows: Rows, members: Tensor, neighbours: int) -> Tensor:
    """Typicality of each member of a cluster among its members, ``(m,)`` float64."""
    count = members.numel()
    k = min(neighbours, max(1, count // 2))
    if count == 1:
        return torch.zeros(1, dtype=torch.float64, device=members.device)
    c, right = rows.unit(rows.mine[members], torch.float64)
    out = torch.empty(count, dtype=torch.float64, device=members.device)
    for low, high in row_blocks(count, 4 * count, members.device):
        squared = squared_distances(c[low:high] @ c.T, right[low:high, None], right)
        squared[torch.arange(high - low), torch.arange(low, high)] = -1  # itself, first of all
        near = squared.topk(k + 1, dim=1, largest=False).values[:, 1:]
        out[low:high] = 1 / (near.sqrt().mean(1) + _SOFTENER)
    return out
