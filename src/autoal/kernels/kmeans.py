"""Weighted k-means, and the sample nearest to each centroid.

References: Lloyd, *Least squares quantization in PCM*, 1982; Arthur, Vassilvitskii, *k-means++*, SODA 2007;
Sculley, *Web-Scale K-Means Clustering*, WWW 2010 (mini-batches).
"""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_matrix, check_weights, row_blocks, uniform
from autoal.kernels.geometry import Points
from autoal.kernels.precision import full_precision
from autoal.kernels.sampling import d2_sample
from autoal.kernels.types import Picks

_CANDIDATES = 4
TIE = 1e-6
"""Relative difference of squared distances up to which two samples are equally near a centroid."""


@full_precision()
def weighted_kmeans(
    x: Tensor,
    k: int,
    generator: torch.Generator,
    weights: Tensor | None = None,
    max_iter: int = 100,
    batch_size: int | None = None,
    tol: float = 1e-4,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Minimise :math:`\sum_i w_i \min_j \|x_i - c_j\|^2` from k-means++ seeds.

    Seeds are drawn by weighted D^2 sampling. Then either full Lloyd iterations, which stop when no centroid moves
    by more than ``tol`` (relative to the mean variance of the columns), or, with ``batch_size``, the mini-batch
    updates of Sculley for pools where full iterations take too long. A centroid that loses all its samples moves
    to the sample that is worst served.

    Args:
        x: ``(N, D)`` samples, any floating type; float16 and bfloat16 are computed in float32.
        k: Number of centroids, 1 to N.
        generator: The source of randomness.
        weights: ``(N,)`` non-negative sample weights, or ``None`` for equal weights. A sample of weight 0 moves no
            centroid but is assigned.
        max_iter: Largest number of iterations (of mini-batches with ``batch_size``).
        batch_size: Number of samples per mini-batch, or ``None`` for full iterations.
        tol: Squared movement of the centroids, relative to the variance, below which iterations stop.
        progress: Called with (seeds drawn, k), then with (iterations done, ``max_iter``).

    Returns:
        The centroids ``(k, D)`` in the computing type and the row of the nearest one for each sample, ``(N,)``
        int64 (the lower one of two equally near).

    Raises:
        AutoALError: If shapes, values, k, ``max_iter`` or ``batch_size`` are not usable.
    """
    check_matrix("embeddings", x)
    check_count(k, x.shape[0])
    if max_iter < 1:
        raise AutoALError(f"max_iter={max_iter}: k-means needs at least 1 iteration.")
    if batch_size is not None and batch_size < 1:
        raise AutoALError(f"batch_size={batch_size}: a mini-batch needs at least 1 sample.")
    factor = torch.ones(x.shape[0], dtype=torch.float64) if weights is None else check_weights(weights, x.shape[0])
    space = Points.centred(x)
    mass = torch.cumsum(factor.cpu(), 0)
    start = float(uniform(1, generator)) * float(mass[-1])
    first = min(int(torch.searchsorted(mass, start, right=True)), x.shape[0] - 1)
    seeds = d2_sample(space, k, generator, first, None if weights is None else factor, progress)
    centroids = space.values(seeds.index.to(x.device))
    weight = factor.to(device=x.device, dtype=space.dtype)
    if batch_size is None:
        centroids = _lloyd(space, centroids, weight, max_iter, tol, progress)
    else:
        centroids = _mini_batches(space, centroids, weight, max_iter, batch_size, generator, progress)
    assignment = _assign(space, centroids)
    return centroids + space.origin, assignment


@full_precision()
def kmeans(
    embeddings: Tensor,
    n: int,
    generator: torch.Generator,
    weights: Tensor | None = None,
    max_iter: int = 100,
    batch_size: int | None = None,
    tol: float = 1e-4,
    progress: Progress | None = None,
) -> Picks:
    """Cluster the pool into ``n`` groups and pick the nearest distinct sample of each centroid.

    Centroids choose one after the other; one whose nearest sample is already taken gets its nearest sample that is
    not. There are always exactly ``n`` unique rows, also with repeated samples
    and empty clusters.

    Args:
        embeddings: ``(N, D)`` samples, any floating type.
        n: Number of picks, 1 to N.
        generator: The source of randomness.
        weights: ``(N,)`` non-negative sample weights, or ``None``.
        max_iter: Largest number of iterations.
        batch_size: Size of mini-batches for large pools, or ``None`` for full iterations.
        tol: Relative movement below which iterations stop.
        progress: Called with (iterations done, ``max_iter``).

    Returns:
        The picks; the score is the weight of the samples in the pick's cluster as a fraction of all weight. Logs
        ``inertia`` (weighted mean squared distance to the nearest centroid) and ``empty_clusters``.

    Raises:
        AutoALError: If shapes, values or n are not usable.
    """
    centroids, assignment = weighted_kmeans(embeddings, n, generator, weights, max_iter, batch_size, tol, progress)
    factor = torch.ones(embeddings.shape[0], dtype=torch.float64, device=embeddings.device)
    if weights is not None:
        factor = check_weights(weights, embeddings.shape[0]).to(embeddings.device)
    index = nearest_distinct(embeddings, centroids)
    share = torch.zeros(n, 1, dtype=factor.dtype, device=factor.device)
    add_by_cluster(share, factor.unsqueeze(1), assignment)
    share = share.squeeze(1) / factor.sum()
    inertia = 0.0
    for low, high in row_blocks(embeddings.shape[0], 3 * embeddings.shape[1], embeddings.device):
        offset = embeddings[low:high].to(centroids.dtype) - centroids[assignment[low:high]]
        inertia += float((offset.square_().sum(1) * factor[low:high]).sum() / factor.sum())
    empty = n - int(torch.unique(assignment).numel())
    return Picks(index, share, {"inertia": inertia, "empty_clusters": float(empty)})


@full_precision()
def nearest_distinct(embeddings: Tensor, centroids: Tensor) -> Tensor:
    """Give each centroid, in order, the nearest sample that no earlier centroid has.

    Args:
        embeddings: ``(N, D)`` samples.
        centroids: ``(k, D)`` points, k <= N.

    Returns:
        ``(k,)`` int64 unique rows.

    Raises:
        AutoALError: If there are more centroids than samples.
    """
    rows, k = embeddings.shape[0], centroids.shape[0]
    check_count(k, rows)
    space = Points.centred(embeddings)
    targets = Points(centroids.to(space.dtype) - space.origin)
    taken = torch.zeros(rows, dtype=torch.bool)
    chosen = torch.full((k,), -1, dtype=torch.int64)
    left = torch.arange(k, device=embeddings.device)
    depth = min(rows, _CANDIDATES)
    while left.numel():
        lists = _nearest_lists(space, targets.take(left), depth, taken.to(embeddings.device)).cpu()
        unserved: list[int] = []
        for place, candidates in zip(left.tolist(), lists.tolist(), strict=True):
            row = next((c for c in candidates if c >= 0 and not taken[c]), -1)
            if row < 0 or unserved:
                # Centroids choose in order: after the first one that found its list exhausted, the others wait
                # for longer lists, or a later one could take what the earlier one is due.
                unserved.append(place)
                continue
            chosen[place] = row
            taken[row] = True
        left = torch.tensor(unserved, dtype=torch.int64, device=embeddings.device)
        # With lists as long as the centroids that are left, each finds a free sample in the next pass.
        depth = min(rows, max(_CANDIDATES, left.numel()))
    return chosen.to(embeddings.device)


def add_by_cluster(sums: Tensor, values: Tensor, assignment: Tensor) -> None:
    """Add rows of ``(M, D)`` to the rows of ``sums`` that they are assigned to, in the same order on every run.

    ``index_add_`` adds in no fixed order on CUDA; a product with the one-hot assignment does.
    """
    if values.is_cuda:
        sums += torch.nn.functional.one_hot(assignment, sums.shape[0]).to(values.dtype).T @ values
    else:
        sums.index_add_(0, assignment, values)


def _assign(space: Points, centroids: Tensor) -> Tensor:
    """Nearest centroid ``(N,)`` of each row."""
    targets = Points(centroids)
    which = torch.empty(space.n, dtype=torch.int64, device=space.device)
    for low, high in row_blocks(space.n, space.width(targets.n), space.device):
        which[low:high] = space.nearest(low, high, targets)[1]
    return which


def _lloyd(
    space: Points, centroids: Tensor, weight: Tensor, max_iter: int, tol: float, progress: Progress | None
) -> Tensor:
    """Full iterations; the centroids are relative to the shift of ``space``."""
    k = centroids.shape[0]
    # The mean of the shifted rows is 0, so the mean squared norm per column is the mean variance.
    limit = tol * float(space.norms.double().mean()) / centroids.shape[1]
    for iteration in range(max_iter):
        targets = Points(centroids)
        sums = torch.zeros_like(centroids)
        mass = torch.zeros(k, 1, dtype=space.dtype, device=space.device)
        cost = torch.empty(space.n, dtype=space.dtype, device=space.device)
        for low, high in row_blocks(space.n, space.width(k), space.device):
            value, which, _ = space.nearest(low, high, targets)
            cost[low:high] = value * weight[low:high]
            part = weight[low:high].unsqueeze(1)
            add_by_cluster(sums, space.rows(low, high) * part, which)
            add_by_cluster(mass, part, which)
        empty = (mass.squeeze(1) <= 0).nonzero().squeeze(1)
        moved = torch.where(mass > 0, sums / mass.clamp(min=1e-30), centroids)
        if empty.numel():
            # Only samples that some centroid does not already sit on can serve an empty cluster.
            far = torch.sort(cost, descending=True, stable=True).indices[: empty.numel()]
            useful = cost[far] > 0
            moved[empty[useful]] = space.values(far[useful])
        shift = float((moved - centroids).square().sum())
        centroids = moved
        if progress is not None:
            progress(iteration + 1, max_iter)
        if shift <= limit:
            break
    return centroids


def _mini_batches(
    space: Points,
    centroids: Tensor,
    weight: Tensor,
    max_iter: int,
    batch_size: int,
    generator: torch.Generator,
    progress: Progress | None,
) -> Tensor:
    """Sculley's updates: each centroid is the running weighted mean of the samples it was given."""
    k = centroids.shape[0]
    mass = torch.zeros(k, 1, dtype=space.dtype, device=space.device)
    for iteration in range(max_iter):
        rows = (uniform(min(batch_size, space.n), generator) * space.n).long().clamp(max=space.n - 1)
        rows = rows.to(space.device)
        targets = Points(centroids)
        sums, gained = torch.zeros_like(centroids), torch.zeros_like(mass)
        for low, high in row_blocks(rows.numel(), space.width(k), space.device):
            batch = space.take(rows[low:high])
            which = batch.nearest(0, batch.n, targets)[1]
            part = weight[rows[low:high]].unsqueeze(1)
            add_by_cluster(sums, batch.x * part, which)
            add_by_cluster(gained, part, which)
        mass += gained
        centroids = centroids + (sums - gained * centroids) / mass.clamp(min=1e-30)
        if progress is not None:
            progress(iteration + 1, max_iter)
    return centroids


def _nearest_lists(space: Points, targets: Points, depth: int, taken: Tensor) -> Tensor:
    """For each target the ``depth`` nearest rows that are free, nearest first; -1 where there are no more."""
    best: Tensor | None = None
    where: Tensor | None = None
    for low, high in row_blocks(space.n, space.width(targets.n) + targets.n, space.device):
        block = torch.addmm(targets.norms, space.rows(low, high), targets.x.T, alpha=-2)
        block += space.norms[low:high].unsqueeze(1)
        block[taken[low:high]] = torch.inf
        value, rows = _smallest(block, min(depth, high - low))
        rows += low
        if best is not None and where is not None:
            value, rows = torch.cat([best, value]), torch.cat([where, rows])
        if value.shape[0] > 4 * depth:
            value, order = torch.topk(value, depth, dim=0, largest=False)
            rows = rows.gather(0, order)
        best, where = value, rows
    assert best is not None
    assert where is not None
    # The products above rounded: order the few that are left by differences, ties by row.
    keep = min(depth, best.shape[0])
    value, order = torch.topk(best, keep, dim=0, largest=False)
    index = torch.sort(where.gather(0, order).T, dim=1).values
    exact = torch.empty(targets.n, keep, dtype=space.dtype, device=space.device)
    for low, high in row_blocks(targets.n, 2 * keep * targets.x.shape[1], space.device):
        rows = space.values(index[low:high].reshape(-1)).view(high - low, keep, -1)
        exact[low:high] = (rows - targets.x[low:high].unsqueeze(1)).square_().sum(2)
    exact[taken[index]] = torch.inf
    # The centre of a cluster of two is equally far from both; which one rounding favours must not decide.
    nearest = exact.amin(1, keepdim=True)
    exact = torch.where(exact <= nearest * (1 + TIE), nearest, exact)
    exact, order = torch.sort(exact, dim=1, stable=True)
    return index.gather(1, order).masked_fill(torch.isinf(exact), -1)


def _smallest(block: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """The ``depth`` smallest entries of each column of ``(rows, k)`` and their rows, ``(depth, k)`` each.

    For a few of them repeated minima are much faster than a selection. ``block`` is used up.
    """
    if depth > _CANDIDATES:
        value, rows = torch.topk(block, depth, dim=0, largest=False)
        return value, rows
    values, places = [], []
    for _ in range(depth):
        value, row = block.min(0)
        values.append(value)
        places.append(row)
        block.scatter_(0, row.unsqueeze(0), torch.inf)
    return torch.stack(values), torch.stack(places)
