"""Weighted k-means, and the sample nearest to each centroid.

References: Lloyd, *Least squares quantization in PCM*, 1982; Arthur, Vassilvitskii, *k-means++*, SODA 2007;
Sculley, *Web-Scale K-Means Clustering*, WWW 2010 (mini-batches).
"""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.checks import (
    Progress,
    check_count,
    check_matrix,
    check_weights,
    compute_dtype,
    row_blocks,
    uniform,
)
from autoal.kernels.geometry import Points, distances_from, slack
from autoal.kernels.lloyd import ClusterRows, add_by_cluster, add_weighted, assign, assign_block, lloyd, targets
from autoal.kernels.precision import full_precision
from autoal.kernels.sampling import d2_sample
from autoal.kernels.ties import smallest, squared_distance
from autoal.kernels.types import Picks

_CANDIDATES = 4
_TIE = 1e-6
"""Relative difference of squared distances up to which two samples are equally near a (rounded) centroid."""


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

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0], [9.0]])
        >>> weights = torch.tensor([3.0, 1.0, 0.0])
        >>> centres, nearest = weighted_kmeans(x, 1, torch.Generator().manual_seed(0), weights)
        >>> centres
        tensor([[0.2500]])
    """
    factor = _check(x, k, weights, max_iter, batch_size)
    centroids = _cluster(x, k, generator, factor, weights is not None, max_iter, batch_size, tol, progress)
    assignment, _ = assign(Points.centred(x), centroids)
    return centroids.to(compute_dtype(x)), assignment


def _check(x: Tensor, k: int, weights: Tensor | None, max_iter: int, batch_size: int | None) -> Tensor:
    """Refuse what can't be clustered; return float64 weights."""
    check_matrix("embeddings", x)
    check_count(k, x.shape[0])
    if max_iter < 1:
        raise AutoALError(f"max_iter={max_iter}: k-means needs at least 1 iteration.")
    if batch_size is not None and batch_size < 1:
        raise AutoALError(f"batch_size={batch_size}: a mini-batch needs at least 1 sample.")
    if weights is not None:
        return check_weights(weights, x.shape[0])
    return torch.ones(x.shape[0], dtype=torch.float64)


def _cluster(
    x: Tensor,
    k: int,
    generator: torch.Generator,
    factor: Tensor,
    weighted: bool,
    max_iter: int,
    batch_size: int | None,
    tol: float,
    progress: Progress | None,
) -> Tensor:
    """Centroids ``(k, D)`` in float64; see :func:`weighted_kmeans`."""
    space = Points.centred(x)
    mass = torch.cumsum(factor.cpu(), 0)
    start = float(uniform(1, generator)) * float(mass[-1])
    first = min(int(torch.searchsorted(mass, start, right=True)), x.shape[0] - 1)
    seeds = d2_sample(space, k, generator, first, factor if weighted else None, progress)
    centroids = x[seeds.index.to(x.device)].double()
    weight = factor.to(device=x.device)
    if batch_size is None:
        return lloyd(ClusterRows.of(space), centroids, weight if weighted else None, max_iter, tol, progress)
    return _mini_batches(space, centroids, weight, max_iter, batch_size, generator, progress)


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

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
        >>> sorted(kmeans(x, 2, torch.Generator().manual_seed(0)).index.tolist())  # the middle of each group
        [1, 4]
    """
    factor = _check(embeddings, n, weights, max_iter, batch_size)
    centroids = _cluster(
        embeddings, n, generator, factor, weights is not None, max_iter, batch_size, tol, progress
    )
    space = Points.centred(embeddings)
    assignment, cost = assign(space, centroids)
    index = nearest_rows(ClusterRows.of(space), centroids)
    factor = factor.to(embeddings.device)
    share = torch.zeros(n, 1, dtype=torch.float64, device=embeddings.device)
    add_by_cluster(share, factor.unsqueeze(1), assignment)
    inertia = float((cost.double() * factor).sum() / factor.sum())
    empty = n - int(torch.unique(assignment).numel())
    log = {"inertia": inertia, "empty_clusters": float(empty)}
    return Picks(index, share.squeeze(1) / factor.sum(), log)


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

    Example:
        >>> import torch
        >>> nearest_distinct(torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([[0.1], [0.2]]))
        tensor([0, 1])
    """
    rows, k = embeddings.shape[0], centroids.shape[0]
    check_count(k, rows)
    return nearest_rows(ClusterRows.of(Points.centred(embeddings)), centroids.double())


def nearest_rows(rows: ClusterRows, centroids: Tensor) -> Tensor:
    """Do :func:`nearest_distinct` for rows that may be spread over ranks and float64 centroids."""
    points, k = rows.points, centroids.shape[0]
    centres = targets(points, centroids)
    lists = _nearest_lists(points, centres) if rows.n == points.n else None
    search = _Search(rows, centres)
    taken = torch.zeros(rows.n, dtype=torch.bool, device=points.device)
    chosen = torch.empty(k, dtype=torch.int64, device=points.device)
    for place in range(k):
        row = None if lists is None else _from_list(lists, place, taken)
        if row is None:
            row = search.nearest(place, taken)
        chosen[place] = row
        taken[row] = True
    return chosen


def _from_list(lists: tuple[Tensor, Tensor, Tensor], place: int, taken: Tensor) -> int | None:
    """The nearest free row of a list, if no row that is not on the list could be as near."""
    index, exact, rest = (part[place] for part in lists)
    free = torch.where(taken[index], torch.inf, exact)
    if not float(free.min()) * (1 + _TIE) < float(rest):
        return None
    return int(index[smallest(free, _TIE)])


class _Search:
    """Goes through all rows for one centroid."""

    def __init__(self, rows: ClusterRows, centres: Points) -> None:
        self._rows, self._centres = rows, centres
        self._norms = rows.whole(rows.points.norms)
        self._last = -1
        self._found = self._exact = self._norms[:0]
        self._known_to = -1.0

    def nearest(self, place: int, taken: Tensor) -> int:
        """The nearest free row, the lowest of equally near ones."""
        if self._last < 0 or not torch.equal(self._centres.x[place], self._centres.x[self._last]):
            self._known_to = -1.0
        row = self._known(taken)
        if row is None:
            self._look(place, taken)
            row = self._known(taken)
        assert row is not None
        return row

    def _known(self, taken: Tensor) -> int | None:
        """The answer, if the rows looked at last are all that could be it: equal centroids share one search."""
        if self._known_to < 0:
            return None
        free = torch.where(taken[self._found], torch.inf, self._exact)
        if not float(free.min()) * (1 + _TIE) <= self._known_to:
            return None
        return int(self._found[smallest(free, _TIE)])

    def _look(self, place: int, taken: Tensor) -> None:
        """Find the rows that may be nearest and their exact distances."""
        points = self._rows.points
        centre = self._centres.take(torch.tensor([place], device=points.device))
        own = torch.empty(points.n, dtype=points.dtype, device=points.device)
        for low, high in row_blocks(points.n, points.width(1), points.device):
            own[low:high] = points.nearest(low, high, centre)[0]
        value = self._rows.whole(own).double()
        error = slack(self._rows.whole(own), self._norms, Points.EPS).double()
        limit = float((value + error).masked_fill(taken, torch.inf).min()) * (1 + 2 * _TIE)
        self._found = ((value - error <= limit) & ~taken).nonzero().squeeze(1)
        self._exact = self._rows.locally(
            self._found, lambda rows: distances_from(points.x, rows, self._centres.x[place])
        )
        self._known_to, self._last = limit, place


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
    k, grid = centroids.shape[0], ClusterRows.of(space).grid()
    mass = torch.zeros(k, 1, dtype=torch.float64, device=space.device)
    for iteration in range(max_iter):
        rows = (uniform(min(batch_size, space.n), generator) * space.n).long().clamp(max=space.n - 1)
        rows = rows.to(space.device)
        centres = targets(space, centroids)
        sums = torch.zeros(k, centroids.shape[1] + 1, dtype=torch.float64, device=space.device)
        for low, high in row_blocks(rows.numel(), space.width(k), space.device):
            batch = space.take(rows[low:high])
            which = assign_block(batch, 0, batch.n, centres)[0]
            add_weighted(sums, batch.x, weight[rows[low:high]], which, grid)
        gained = sums[:, -1:]
        mass += gained
        centroids = centroids + (sums[:, :-1] - gained * centroids) / mass.clamp(min=1e-300)
        if progress is not None:
            progress(iteration + 1, max_iter)
    return centroids


def _nearest_lists(space: Points, centres: Points) -> tuple[Tensor, Tensor, Tensor]:
    """The few rows nearest to each centre, ascending, their exact distances, and how near any other row may be."""
    best: Tensor | None = None
    where: Tensor | None = None
    depth = min(space.n, _CANDIDATES)
    columns = centres.rows(0, centres.n).T
    for low, high in row_blocks(space.n, space.width(centres.n) + centres.n, space.device):
        block = torch.addmm(centres.norms, space.rows(low, high), columns, alpha=-2)
        block += space.norms[low:high].unsqueeze(1)
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
    value, order = torch.topk(best, depth, dim=0, largest=False)
    index = torch.sort(where.gather(0, order).T, dim=1).values
    exact = torch.empty(centres.n * depth, dtype=torch.float64, device=space.device)
    flat = index.reshape(-1)
    owner = torch.arange(centres.n, device=space.device).repeat_interleave(depth)
    for low, high in row_blocks(flat.numel(), 4 * centres.x.shape[1], space.device):
        exact[low:high] = squared_distance(space.x[flat[low:high]], centres.x[owner[low:high]])
    last = value[-1].clamp(min=0)
    rest = last - slack(last, centres.norms, Points.EPS)
    if depth == space.n:
        rest = torch.full_like(rest, torch.inf)
    return index, exact.view(centres.n, depth), rest


def _smallest(block: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """The few smallest entries of each column of ``(rows, k)`` and their rows, ``(depth, k)`` each.

    Repeated minima are much faster than a selection. ``block`` is used up.
    """
    values, places = [], []
    for _ in range(depth):
        value, row = block.min(0)
        values.append(value)
        places.append(row)
        block.scatter_(0, row.unsqueeze(0), torch.inf)
    return torch.stack(values), torch.stack(places)
