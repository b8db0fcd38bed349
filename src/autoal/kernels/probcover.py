"""ProbCover: cover as much of the pool as possible with balls of one radius."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import Progress, check_count, check_matrix, check_shape, row_blocks
from autoal.kernels.coverage import farthest
from autoal.kernels.precision import full_precision
from autoal.kernels.rows import Rows, distance_blocks
from autoal.kernels.similarity import rounding
from autoal.kernels.types import Picks

_CHUNK = 1024
_STRICT = 1 - 1e-12
"""A squared distance that equals the radius's up to float64 rounding is outside."""
_SMALLEST = 1e-6


class Part:
    """Some rows of a pool, ready to be compared.

    Args:
        rows: The pool.
        index: ``(m,)`` which.
        length: ``rows.lengths(rows.mine)``, where rows are divided by it.
    """

    def __init__(self, rows: Rows, index: Tensor, length: Tensor | None) -> None:
        self.rows = rows
        self.raw = rows.mine[index]
        self.length = None if length is None else length[index]
        self.unit, self.squared = rows.unit(self.raw, rows.dtype, self.length)

    def exact(self, some: Tensor) -> Tensor:
        """Return some of them in float64."""
        length = None if self.length is None else self.length[some]
        return self.rows.unit(self.raw[some], torch.float64, length)[0]

    def within(self, other: Part, radius: float) -> Tensor:
        """Tell which pairs are nearer than a radius, ``(m, other m)`` bool, as float64 differences tell it."""
        limit = radius**2
        above = torch.addmm(other.squared - limit, self.unit, other.unit.T, alpha=-2).add_(self.squared[:, None])
        near = above < 0
        largest = float(self.squared.max()) + float(other.squared.max())
        pairs = (above.abs_() <= 2 * rounding(self.unit.dtype) * largest + 1e-6 * limit).nonzero()
        for low, high in row_blocks(pairs.shape[0], 4 * self.unit.shape[1], above.device):
            i, j = pairs[low:high].unbind(1)
            near[i, j] = (self.exact(i) - other.exact(j)).square_().sum(1) < limit * _STRICT
        return near


class Balls:
    """How many uncovered rows lie within a radius of each row, kept as balls are taken.

    A row is newly covered once, and only then do the counts around it change: all changes together cost no more
    than the first count, and no list of neighbours is kept.

    Args:
        rows: The pool.
        radius: Strict: a row at exactly this distance is outside.
        covered: ``(N,)`` bool, rows covered from the start.

    Attributes:
        covered: ``(N,)`` bool.
        degree: ``(N,)`` int64, uncovered rows within the radius, itself included.
    """

    def __init__(self, rows: Rows, radius: float, covered: Tensor) -> None:
        self.rows = rows
        self.radius = radius
        self.length = rows.lengths(rows.mine) if rows.normalise else None
        self.covered = covered.clone()
        self.degree = self._count((~covered).nonzero().squeeze(1))

    def take(self, row: int) -> int:
        """Cover the ball around a row; returns how many rows that newly covers."""
        open_ = (~self.covered).nonzero().squeeze(1)
        centre = Part(self.rows, torch.tensor([row], device=open_.device), self.length)
        inside = torch.zeros(open_.numel(), dtype=torch.bool, device=open_.device)
        for low, high in row_blocks(open_.numel(), 2 * self.rows.mine.shape[1], open_.device):
            near = Part(self.rows, open_[low:high], self.length).within(centre, self.radius)
            inside[low:high] = near.squeeze(1)
        new, left_over = open_[inside], open_[~inside]
        self.covered[new] = True
        if new.numel() <= left_over.numel():
            self.degree -= self._count(new)
        else:
            self.degree = self._count(left_over)
        return int(new.numel())

    def _count(self, targets: Tensor) -> Tensor:
        """Count, for every row, the targets within the radius, ``(N,)`` int64; each pair is looked at once."""
        out = torch.zeros(self.rows.n, dtype=torch.int64, device=targets.device)
        other = torch.ones(self.rows.n, dtype=torch.bool, device=targets.device)
        other[targets] = False
        others = other.nonzero().squeeze(1)
        for first in range(0, targets.numel(), _CHUNK):
            part, later = targets[first : first + _CHUNK], targets[first + _CHUNK :]
            right = Part(self.rows, part, self.length)
            for left in (part, later, others):
                for low, high in row_blocks(left.numel(), max(part.numel(), self.rows.mine.shape[1]), part.device):
                    near = Part(self.rows, left[low:high], self.length).within(right, self.radius)
                    out[left[low:high]] += near.sum(1)
                    if left is later:
                        out[part] += near.sum(0)
        return out


@full_precision()
def probcover(
    features: Tensor,
    n: int,
    radius: float,
    labelled: Tensor | None = None,
    normalise: bool = True,
    progress: Progress | None = None,
) -> Picks:
    r"""Pick, one after the other, the sample whose ball covers most samples that no ball covers yet.

    Yehuda et al., *Active Learning Through a Covering Lens*, NeurIPS 2022:
    :math:`\arg\max_x |\{n \text{ uncovered}: \|z_n - z_x\| < \delta\}|`. Time is at most that of two passes over
    all pairs; memory is a few numbers per row, as no list of edges is made.

    Args:
        features: ``(N, D)`` pool, any floating type.
        n: Number of picks, 1 to N.
        radius: The radius delta, above 0; :func:`pure_radius` estimates it.
        labelled: ``(L, D)`` labelled samples whose balls are covered already, or None.
        normalise: Divide rows by their lengths first; a row of zeros stays.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the number of newly covered samples. When everything is covered the rest is filled
        with the samples farthest from all centres (score 0). Logs ``coverage`` (share of the pool within a ball),
        ``radius`` and ``filled``.

    Raises:
        AutoALError: If shapes, values, n or the radius are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0], [2.0], [9.0]])
        >>> probcover(x, 2, radius=1.5, normalise=False).index
        tensor([1, 3])
    """
    check_matrix("features", features)
    check_count(n, features.shape[0])
    _check_radius(radius)
    rows = Rows(features, features.shape[0], World(), normalise)
    if labelled is not None and labelled.shape[0] > 0:
        check_matrix("labelled", labelled, columns=features.shape[1])
        labelled = labelled.to(features.device)
    else:
        labelled = None
    balls = Balls(rows, radius, covered_by(rows, labelled, radius))
    index: list[int] = []
    score: list[float] = []
    while len(index) < n:
        most = int(balls.degree.max())
        if most == 0:
            break
        index.append(int((balls.degree == most).nonzero()[0]))
        score.append(float(balls.take(index[-1])))
        if progress is not None:
            progress(len(index), n)
    picked = torch.tensor(index, dtype=torch.int64, device=features.device)
    rest = n - len(index)
    if rest:
        picked = torch.cat([picked, farthest(rows, picked, labelled, rest)])
    scores = torch.tensor(score + [0.0] * rest, dtype=torch.float64, device=features.device)
    log = {"coverage": float(balls.covered.double().mean()), "radius": radius, "filled": float(rest)}
    return Picks(picked, scores, log)


def _check_radius(radius: float) -> None:
    if not (math.isfinite(radius) and radius > 0):
        raise AutoALError(f"radius={radius:g}: a distance above 0 is needed.")


def covered_by(rows: Rows, centres: Tensor | None, radius: float | Tensor) -> Tensor:
    """Tell which rows lie within the radius of a centre, ``(N,)`` bool.

    Args:
        rows: The pool.
        centres: ``(L, D)`` centres as they are stored, or None.
        radius: One radius, or ``(L,)`` float64, one for each centre.
    """
    out = torch.zeros(rows.n, dtype=torch.bool, device=rows.device)
    if centres is None:
        return out
    every = torch.as_tensor(radius, dtype=torch.float64, device=rows.device).expand(centres.shape[0])
    for first in range(0, centres.shape[0], _CHUNK):
        limit = every[first : first + _CHUNK].square() * _STRICT
        for low, high, squared in distance_blocks(rows, centres[first : first + _CHUNK]):
            out[low:high] |= (squared < limit).any(1)
    return out


@full_precision()
def pure_radius(features: Tensor, clusters: Tensor, purity: float = 0.95, normalise: bool = True) -> float:
    r"""Largest radius at which a share of all balls holds samples of only one cluster.

    The ball around a sample is pure exactly if the radius is not larger than the distance to the nearest sample of
    another cluster. One pass over all pairs gives that distance for every sample, and so the answer for all radii:
    its ``1 - purity`` quantile.

    Args:
        features: ``(N, D)`` samples.
        clusters: ``(N,)`` int64 cluster of each, e.g. from k-means with as many clusters as classes.
        purity: The share of pure balls, above 0 and at most 1.
        normalise: Divide rows by their lengths first.

    Returns:
        The radius, at least 1e-6; with a single cluster twice the largest norm, which covers everything.

    Raises:
        AutoALError: If shapes, values or the purity are not usable.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0], [5.0], [7.0]])
        >>> pure_radius(x, torch.tensor([0, 0, 1, 1]), purity=0.75, normalise=False)
        4.0
    """
    check_matrix("features", features)
    check_shape("clusters", clusters, features.shape[0])
    if not 0 < purity <= 1:
        raise AutoALError(f"purity={purity:g}: a share above 0 and at most 1 is needed.")
    rows = Rows(features, features.shape[0], World(), normalise)
    clusters = clusters.to(features.device)
    squared, largest = _nearest_other(rows, clusters)
    place = min(rows.n - 1, math.floor(rows.n * (1 - purity) + 1e-9))
    middle = float(squared.sort().values[place])
    if math.isinf(middle):
        return max(_SMALLEST, 2 * math.sqrt(largest))
    # The product in float32 leaves a few samples that may be the quantile: their distances are computed exactly.
    error = 4 * rounding(rows.dtype) * largest
    doubtful = ((squared - middle).abs() <= 2 * error).nonzero().squeeze(1)
    exact = squared.double()
    exact[doubtful] = _nearest_other_exact(rows, clusters, doubtful)
    return max(_SMALLEST, float(exact.sort().values[place].clamp(min=0).sqrt()))


def _nearest_other(rows: Rows, clusters: Tensor) -> tuple[Tensor, float]:
    """Squared distance of each row to the nearest row of another cluster, and the largest squared norm.

    Rows are visited sorted by cluster, and every pair once.
    """
    order = torch.argsort(clusters, stable=True)
    sorted_ = clusters[order]
    length = rows.lengths(rows.mine)[order] if rows.normalise else None
    best = torch.full((rows.n,), torch.inf, dtype=rows.dtype, device=rows.device)
    largest = 0.0
    for first in range(0, rows.n, _CHUNK):
        mine = order[first : first + _CHUNK]
        c, c2 = rows.unit(rows.mine[mine], rows.dtype, None if length is None else length[first : first + _CHUNK])
        mine_best = torch.full((mine.numel(),), torch.inf, dtype=rows.dtype, device=rows.device)
        largest = max(largest, float(c2.max()))
        for low, high in row_blocks(rows.n - first, max(c.shape), rows.device):
            low, high = low + first, high + first
            b, b2 = rows.unit(rows.mine[order[low:high]], rows.dtype, None if length is None else length[low:high])
            squared = (b @ c.T).mul_(-2).add_(c2).add_(b2[:, None])
            if int(sorted_[low]) <= int(sorted_[min(rows.n, first + _CHUNK) - 1]):
                own = sorted_[low:high, None] == sorted_[first : first + _CHUNK]
                squared.masked_fill_(own, torch.inf)
            mine_best = torch.minimum(mine_best, squared.amin(0))
            best[order[low:high]] = torch.minimum(best[order[low:high]], squared.amin(1))
        best[mine] = torch.minimum(best[mine], mine_best)
    return best, largest


def _nearest_other_exact(rows: Rows, clusters: Tensor, index: Tensor) -> Tensor:
    """Float64 squared distance of some rows to the nearest row of another cluster."""
    out = torch.full((index.numel(),), torch.inf, dtype=torch.float64, device=rows.device)
    for first in range(0, index.numel(), _CHUNK):
        part = index[first : first + _CHUNK]
        for low, high, squared in distance_blocks(rows, rows.mine[part]):
            squared.masked_fill_(clusters[low:high, None] == clusters[part], torch.inf)
            out[first : first + _CHUNK] = torch.minimum(out[first : first + _CHUNK], squared.amin(0))
    return out
