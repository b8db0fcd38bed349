"""Lloyd's iterations whose centroids do not depend on the order in which rows are added.

Sums of float64 numbers depend on their order, and so on blocks, threads and ranks. Here every term is first
rounded to a grid that is so coarse that no partial sum rounds, and so fine that only the last bits of a float64
mean go. Then any order gives the same sum, the same centroids and, with assignments that rounding does not decide,
the same clusters everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from autoal.kernels import ties
from autoal.kernels.checks import Progress, row_blocks
from autoal.kernels.geometry import Points, slack

_FEW_PAIRS = 4


@dataclass(frozen=True)
class ClusterRows:
    """Rows to cluster, perhaps one rank's of rows that are spread over ranks.

    Attributes:
        points: This rank's rows.
        n: Number of rows over all ranks.
        total: Sums a tensor over ranks.
        whole: Makes one number per row of this rank one number per row of all.
        largest: The largest of one integer per rank.
        locally: Numbers of some rows of all, each computed by the rank that has the row from its own rows.
        values: Float64 copies of some rows of all, as stored.
    """

    points: Points
    n: int
    total: Callable[[Tensor], Tensor]
    whole: Callable[[Tensor], Tensor]
    largest: Callable[[int], int]
    locally: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]
    values: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, points: Points) -> ClusterRows:
        """Rows that this process has all of."""
        return cls(
            points,
            points.n,
            total=lambda x: x,
            whole=lambda x: x,
            largest=lambda power: power,
            locally=lambda rows, exact: exact(rows),
            values=lambda rows: points.x[rows].double(),
        )

    def grid(self) -> Grid:
        """The grid on which sums of these rows, with weights of at most 1, are exact."""
        power = 0
        x = self.points.x
        for low, high in row_blocks(x.shape[0], x.shape[1], x.device):
            if x[low:high].numel():
                power = max(power, math.frexp(float(x[low:high].abs().amax()))[1])
        return Grid(self.largest(power), self.n)


class Grid:
    """Rounds numbers so that their sum is exact in any order.

    Args:
        power: All numbers are below two to this power.
        count: How many are added at most.
    """

    def __init__(self, power: int, count: int) -> None:
        self._shift = 1.5 * 2.0 ** (power + max(1, math.ceil(math.log2(count))))

    def round(self, x: Tensor) -> Tensor:
        """Round float64 numbers to the grid, in place."""
        return x.add_(self._shift).sub_(self._shift)


def targets(points: Points, centroids: Tensor) -> Points:
    """Float64 centroids as centres in the computing type of some points."""
    return Points(centroids, points.shift, dtype=points.dtype)


def assign(points: Points, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest centroid of each row, the lowest of equally near ones, and the rounded squared distance from it.

    Args:
        points: ``n`` rows.
        centroids: ``(k, D)`` float64.

    Returns:
        ``(n,)`` int64 and ``(n,)`` in the computing type.
    """
    centres = targets(points, centroids)
    which = torch.empty(points.n, dtype=torch.int64, device=points.device)
    cost = torch.empty(points.n, dtype=points.dtype, device=points.device)
    for low, high in row_blocks(points.n, points.width(centres.n), points.device):
        which[low:high], cost[low:high] = assign_block(points, low, high, centres)
    return which, cost


def assign_block(points: Points, low: int, high: int, centres: Points) -> tuple[Tensor, Tensor]:
    """Do :func:`assign` for a block of rows and centres from :func:`targets`."""
    norms = points.norms[low:high]
    product = torch.addmm(centres.norms, points.rows(low, high), centres.rows(0, centres.n).T, alpha=-2)
    least, which = product.min(1)
    value = (least + norms).clamp_(min=0)
    limit = least + 2 * slack(value, norms, Points.EPS)
    second = product.scatter_(1, which[:, None], torch.inf).amin(1)
    unsure = (second <= limit).nonzero().squeeze(1)
    if unsure.numel():
        near = product[unsure] <= limit[unsure, None]
        near.scatter_(1, which[unsure, None], True)
        which[unsure] = _lowest_of_nearest(points, unsure + low, near, centres)
    return which, value


def _lowest_of_nearest(points: Points, rows: Tensor, near: Tensor, centres: Points) -> Tensor:
    """Decide exactly between the centres that may be nearest, ``(m, k)`` bool, to some rows."""
    if int(near.sum()) > _FEW_PAIRS * rows.numel():
        # Repeated centroids are as near as the first of them, which is the one to take.
        near &= _first_of_equals(centres.x)
        missing = ~near.any(1)
        near[missing] = _first_of_equals(centres.x)
    row, centre = near.nonzero().unbind(1)
    exact = torch.empty(row.numel(), dtype=torch.float64, device=points.device)
    for a, b in row_blocks(row.numel(), 4 * points.x.shape[1], points.device):
        exact[a:b] = ties.squared_distance(points.x[rows[row[a:b]]], centres.x[centre[a:b]])
    best = torch.full((rows.numel(),), torch.inf, dtype=torch.float64, device=points.device)
    best.scatter_reduce_(0, row, exact, "amin")
    centre = torch.where(exact <= best[row] * (1 + ties.TIE), centre, centres.n)
    return torch.full_like(rows, centres.n).scatter_reduce_(0, row, centre, "amin")


def _first_of_equals(x: Tensor) -> Tensor:
    """Which rows of ``(k, D)`` repeat no earlier row, ``(k,)`` bool."""
    _, group = torch.unique(x, dim=0, return_inverse=True)
    place = torch.arange(x.shape[0], device=x.device)
    first = torch.full((x.shape[0],), x.shape[0], device=x.device).scatter_reduce_(0, group, place, "amin")
    return first[group] == place


def lloyd(
    rows: ClusterRows,
    centroids: Tensor,
    weight: Tensor | None,
    max_iter: int,
    tol: float,
    progress: Progress | None,
) -> Tensor:
    """Full iterations.

    Args:
        rows: The rows.
        centroids: ``(k, D)`` float64, where they start.
        weight: This rank's weights, float64, at most 1; ``None`` for ones.
        max_iter: Largest number of iterations.
        tol: Squared movement of the centroids, relative to the variance, below which iterations stop.
        progress: Called with (iterations done, ``max_iter``).

    Returns:
        ``(k, D)`` float64 centroids; one that lost all its rows moved to the row that is worst served.
    """
    points, grid = rows.points, rows.grid()
    # The shift is the mean of all rows, so the mean squared norm per column is the mean variance.
    limit = tol * float(rows.whole(points.norms).double().mean()) / centroids.shape[1]
    k = centroids.shape[0]
    cost = torch.empty(points.n, dtype=points.dtype, device=points.device)
    where = torch.empty(points.n, dtype=torch.int64, device=points.device)
    for iteration in range(max_iter):
        centres = targets(points, centroids)
        sums = torch.zeros(k, centroids.shape[1] + 1, dtype=torch.float64, device=points.device)
        for low, high in row_blocks(points.n, points.width(k), points.device):
            where[low:high], cost[low:high] = assign_block(points, low, high, centres)
            factor = None if weight is None else weight[low:high]
            add_weighted(sums, points.x[low:high], factor, where[low:high], grid)
        sums = rows.total(sums)
        mass = sums[:, -1:]
        moved = torch.where(mass > 0, sums[:, :-1] / mass.clamp(min=1e-300), centroids)
        empty = (mass.squeeze(1) <= 0).nonzero().squeeze(1)
        if empty.numel():
            far = worst_served(rows, centroids, where, cost, weight, empty.numel())
            if far.numel():
                moved[empty[: far.numel()]] = rows.values(far)
        shift = float((moved - centroids).square().sum())
        centroids = moved
        if progress is not None:
            progress(iteration + 1, max_iter)
        if shift <= limit:
            break
    return centroids


def add_weighted(sums: Tensor, x: Tensor, weight: Tensor | None, which: Tensor, grid: Grid) -> None:
    """Add weighted rows and, in the last column, their weights to the sums of their clusters, on the grid."""
    part = torch.empty(x.shape[0], x.shape[1] + 1, dtype=torch.float64, device=x.device)
    part[:, :-1] = x
    part[:, -1] = 1
    if weight is not None:
        part.mul_(weight[:, None])
    add_by_cluster(sums, grid.round(part), which)


def add_by_cluster(sums: Tensor, values: Tensor, assignment: Tensor) -> None:
    """Add rows of ``(M, D)`` to the rows of ``sums`` that they are assigned to, in the same order on every run.

    ``index_add_`` adds in no fixed order on CUDA; a product with the one-hot assignment does.
    """
    if values.is_cuda:
        sums += torch.nn.functional.one_hot(assignment, sums.shape[0]).to(values.dtype).T @ values
    else:
        sums.index_add_(0, assignment, values)


def worst_served(
    rows: ClusterRows, centroids: Tensor, where: Tensor, cost: Tensor, weight: Tensor | None, count: int
) -> Tensor:
    """Rows with the largest weighted squared distance to their centroid, largest first, equal ones by row.

    Args:
        rows: The rows.
        centroids: ``(k, D)`` float64.
        where: This rank's assignment.
        cost: This rank's rounded squared distances.
        weight: This rank's weights, ``None`` for ones.
        count: How many rows are wanted.

    Returns:
        At most ``count`` rows; only rows that do not sit on their centroid can serve another.
    """
    points = rows.points
    error = slack(cost, points.norms, Points.EPS).double()
    if weight is None:
        weight = torch.ones_like(error)
    low = rows.whole((cost.double() - error).clamp_(min=0) * weight)
    high = rows.whole((cost.double() + error) * weight)
    limit = torch.topk(low, min(count, rows.n)).values[-1]
    found = ((high >= limit * (1 - 2 * ties.TIE)) & (high > 0)).nonzero().squeeze(1)

    def exact(own: Tensor) -> Tensor:
        out = torch.empty(own.numel(), dtype=torch.float64, device=points.device)
        for a, b in row_blocks(own.numel(), 4 * points.x.shape[1], points.device):
            part = own[a:b]
            out[a:b] = ties.squared_distance(points.x[part], centroids[where[part]]) * weight[part]
        return out

    value = rows.locally(found, exact)
    chosen: list[int] = []
    while len(chosen) < count and bool((value > 0).any()):
        place = ties.largest(value)
        chosen.append(int(found[place]))
        value[place] = -1
    return torch.tensor(chosen, dtype=torch.int64, device=points.device)
