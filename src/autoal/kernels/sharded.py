r"""Large-pool kernels whose rows are spread over processes; no process ever holds them all.

Row ``i`` belongs to rank ``i % size``, as :meth:`autoal.distributed.World.shard` deals them. What a pass over the
rows reads (the features) stays where it is; what it finds per row (a distance, a bound) is one number and known
everywhere, so every rank makes the same decisions from the same numbers. A pass costs one sum of ``3 N`` numbers
over ranks, a proposed or chosen row one sum of ``D``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.kernels.checks import Progress, check_count, check_finite, compute_dtype, row_blocks, uniform
from autoal.kernels.geometry import Geometry, GradientEmbeddings, Points
from autoal.kernels.greedy import farthest_first
from autoal.kernels.kmeans import TIE, add_by_cluster
from autoal.kernels.precision import full_precision
from autoal.kernels.sampling import d2_sample
from autoal.kernels.types import Picks

L = TypeVar("L", bound=Geometry)

_BLOCK = 1 << 16


class Sharded(Generic[L]):
    """A space whose rows are spread over ranks; every method must be called by all ranks alike.

    Slices that :meth:`take` copies out are whole on every rank and of the local kind.

    Args:
        local: This rank's rows.
        n: Number of rows over all ranks.
        world: This rank's place.
        pack: The tensors that make up a slice.
        unpack: Makes a slice of such tensors.
    """

    def __init__(
        self,
        local: L,
        n: int,
        world: World,
        pack: Callable[[L], tuple[Tensor, ...]],
        unpack: Callable[..., L],
    ) -> None:
        self.local = local
        self.n = n
        self.device = local.device
        self.dtype = local.dtype
        self._world = world
        self._pack = pack
        self._unpack = unpack

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""
        return self.local.width(centres)

    def take(self, index: Tensor) -> L:
        """Copy some rows out, to every rank."""
        mine = index % self._world.size == self._world.rank
        part = self._pack(self.local.take(index[mine] // self._world.size))
        whole = []
        for tensor in part:
            out = torch.zeros((index.numel(), *tensor.shape[1:]), dtype=tensor.dtype, device=tensor.device)
            out[mine] = tensor
            whole.append(self._world.sum(out))
        return self._unpack(*whole)

    def nearest(self, low: int, high: int, centres: L) -> tuple[Tensor, Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, which one, rounding bound."""
        first, last = self._own(low), self._own(high)
        found = self.local.nearest(first, last, centres)
        block = torch.zeros(high - low, 3, dtype=torch.float64, device=self.device)
        start = first * self._world.size + self._world.rank - low
        block[start :: self._world.size] = torch.stack([part.double() for part in found], 1)
        value, which, bound = self._world.sum(block).unbind(1)
        return value.to(self.dtype), which.long(), bound.to(self.dtype)

    def whole(self, mine: Tensor) -> Tensor:
        """Return one number per row on every rank, from this rank's."""
        return self._world.gather_rows(mine, self.n)

    def _own(self, row: int) -> int:
        """Number of this rank's rows before a row of all."""
        return max(0, -(-(row - self._world.rank) // self._world.size))


def sharded_points(mine: Tensor, n_rows: int, world: World) -> tuple[Sharded[Points], Tensor]:
    """Describe embeddings spread over ranks, relative to the mean of them all, and return that mean."""
    total = torch.zeros(mine.shape[1], dtype=torch.float64, device=mine.device)
    for low, high in row_blocks(mine.shape[0], mine.shape[1], mine.device):
        total += mine[low:high].to(compute_dtype(mine)).sum(0)
    mean = (world.sum(total) / n_rows).to(compute_dtype(mine))
    local = Points(mine, shift=mean)
    space = Sharded(
        local, n_rows, world, lambda p: (p.x, p.norms), lambda x, norms: Points(x, None, norms)
    )  # fmt: skip
    return space, mean


@full_precision()
def sharded_kcenter(
    mine: Tensor,
    n_rows: int,
    n: int,
    world: World,
    labelled: Tensor | None = None,
    window: int = 1024,
    progress: Progress | None = None,
) -> Picks:
    """Run :func:`autoal.kernels.kcenter` on embeddings that are spread over ranks.

    Args:
        mine: This rank's rows of the pool, ``(N_rank, D)``.
        n_rows: Number N of rows over all ranks.
        n: Number of picks, 1 to N.
        world: This rank's place.
        labelled: ``(L, D)`` labelled samples, the same on every rank.
        window: See :func:`autoal.kernels.kcenter`.
        progress: Called with (picks made, n).

    Returns:
        The picks, on every rank; rows count over all ranks.

    Raises:
        AutoALError: If values or n are not usable.
    """
    check_finite("embeddings", mine)
    check_count(n, n_rows)
    space, mean = sharded_points(mine, n_rows, world)
    centres = None
    if labelled is not None and labelled.shape[0] > 0:
        check_finite("labelled", labelled)
        centres = Points(labelled.to(device=mine.device, dtype=space.dtype), mean)
    first = int(space.whole(space.local.norms).argmin()) if centres is None else None
    # The traversal holds space and slices to one type; here a slice is the local form of the space.
    result = farthest_first(space, n, centres, first, window, progress)  # type: ignore[type-var]
    distance = result.distance.sqrt().to(mine.device)
    log = {"passes": float(result.passes), "radius": float(distance[-1])}
    return Picks(result.index.to(mine.device), distance, log)


@full_precision()
def sharded_badge(
    logits: Tensor,
    embeddings: Tensor,
    n_rows: int,
    n: int,
    generator: torch.Generator,
    world: World,
    progress: Progress | None = None,
) -> Picks:
    """Run :func:`autoal.kernels.badge` on gradients that are spread over ranks.

    Args:
        logits: This rank's rows, ``(N_rank, C)``.
        embeddings: This rank's rows, ``(N_rank, D)``.
        n_rows: Number N of rows over all ranks.
        n: Number of picks, 1 to N.
        generator: The source of randomness, in the same state on every rank.
        world: This rank's place.
        progress: Called with (picks made, n).

    Returns:
        The picks, on every rank; rows count over all ranks.

    Raises:
        AutoALError: If values or n are not usable.
    """
    check_finite("logits", logits)
    check_finite("embeddings", embeddings)
    check_count(n, n_rows)
    space = Sharded(
        GradientEmbeddings.of(logits, embeddings),
        n_rows,
        world,
        lambda g: (g.x, g.residual if g.residual is not None else g.x[:, :0], g.norms),
        lambda x, residual, norms: GradientEmbeddings(None, x, residual, norms),
    )
    norms = space.whole(space.local.norms)
    largest = float(norms.max())
    random_row = min(int(uniform(1, generator) * n_rows), n_rows - 1)
    first = int(norms.argmax()) if largest > 0 else random_row
    seeds = d2_sample(space, n, generator, first, progress=progress)  # type: ignore[type-var]
    score = seeds.distance.sqrt()
    score[0] = largest**0.5
    log = {
        "passes": float(seeds.passes),
        "proposals": float(seeds.proposals),
        "filled": float(seeds.filled),
        "largest_norm": largest**0.5,
    }
    return Picks(seeds.index.to(logits.device), score.to(logits.device), log)


@full_precision()
def sharded_kmeans(
    mine: Tensor,
    n_rows: int,
    n: int,
    generator: torch.Generator,
    world: World,
    max_iter: int = 100,
    tol: float = 1e-4,
    progress: Progress | None = None,
) -> Picks:
    """Run :func:`autoal.kernels.kmeans` (full iterations, equal weights) on embeddings spread over ranks.

    Args:
        mine: This rank's rows of the pool, ``(N_rank, D)``.
        n_rows: Number N of rows over all ranks.
        n: Number of clusters and picks, 1 to N.
        generator: The source of randomness, in the same state on every rank.
        world: This rank's place.
        max_iter: Largest number of iterations.
        tol: Relative movement below which iterations stop.
        progress: Called with (iterations done, ``max_iter``).

    Returns:
        The picks, on every rank; the score is the share of samples in the pick's cluster.

    Raises:
        AutoALError: If values or n are not usable.
    """
    check_finite("embeddings", mine)
    check_count(n, n_rows)
    space, _ = sharded_points(mine, n_rows, world)
    first = min(int(uniform(1, generator) * n_rows), n_rows - 1)
    seeds = d2_sample(space, n, generator, first, progress=progress)  # type: ignore[type-var]
    centroids = space.take(seeds.index.to(mine.device)).x
    limit = tol * float(space.whole(space.local.norms).double().mean()) / centroids.shape[1]
    share = torch.zeros(n, dtype=torch.float64)
    inertia = 0.0
    for iteration in range(max_iter + 1):
        moved, share, inertia = _lloyd_step(space, centroids, world)
        shift = float((moved - centroids).square().sum())
        if iteration == max_iter or shift <= limit:
            break  # the last pass only counts, for the centroids as they stand
        centroids = moved
        if progress is not None:
            progress(iteration + 1, max_iter)
    index = _nearest_distinct(space, centroids)
    log = {"inertia": inertia, "empty_clusters": float((share == 0).sum())}
    return Picks(index, share.to(mine.device), log)


def _lloyd_step(space: Sharded[Points], centroids: Tensor, world: World) -> tuple[Tensor, Tensor, float]:
    """Return the centroids after one iteration, each cluster's share of the rows, and the mean cost."""
    local, k = space.local, centroids.shape[0]
    targets = Points(centroids)
    sums = torch.zeros(k, centroids.shape[1] + 1, dtype=torch.float64, device=space.device)
    cost = torch.empty(local.n, dtype=space.dtype, device=space.device)
    for low, high in row_blocks(local.n, space.width(k), space.device):
        value, which, _ = local.nearest(low, high, targets)
        cost[low:high] = value
        rows = local.rows(low, high).double()
        add_by_cluster(sums, torch.cat([rows, torch.ones_like(rows[:, :1])], 1), which)
    sums = world.sum(sums)
    count = sums[:, -1:]
    moved = torch.where(count > 0, sums[:, :-1] / count.clamp(min=1), centroids.double()).to(centroids.dtype)
    every = space.whole(cost)
    empty = (count.squeeze(1) == 0).nonzero().squeeze(1)
    if empty.numel():
        # An empty cluster moves to the row that is worst served, unless every row sits on a centroid.
        far = torch.sort(every, descending=True, stable=True).indices[: empty.numel()]
        useful = every[far] > 0
        moved[empty[useful]] = space.take(far[useful]).x
    return moved, (count.squeeze(1) / space.n).cpu(), float(every.double().mean())


def _nearest_distinct(space: Sharded[Points], centroids: Tensor) -> Tensor:
    """Give each centroid, in order, the nearest row that no earlier centroid has; ties go to the lower row."""
    taken = torch.zeros(space.n, dtype=torch.bool, device=space.device)
    chosen = torch.empty(centroids.shape[0], dtype=torch.int64, device=space.device)
    for place in range(centroids.shape[0]):
        # Own rows only, one distance per row; k passes over memory that is already there.
        distance = torch.empty(space.local.n, dtype=torch.float64, device=space.device)
        for low in range(0, space.local.n, _BLOCK):
            high = min(space.local.n, low + _BLOCK)
            offset = space.local.rows(low, high) - centroids[place]
            distance[low:high] = offset.double().square().sum(1)
        every = space.whole(distance)
        every[taken] = torch.inf
        row = int((every <= every.min() * (1 + TIE)).nonzero()[0])
        chosen[place] = row
        taken[row] = True
    return chosen
