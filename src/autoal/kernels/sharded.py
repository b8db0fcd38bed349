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
from autoal.kernels.checks import Progress, check_count, check_finite, compute_dtype, uniform
from autoal.kernels.geometry import (
    Geometry,
    GradientEmbeddings,
    Points,
    column_sum,
    distances_from,
    largest_gradient,
    nearest_to_mean,
)
from autoal.kernels.greedy import farthest_first
from autoal.kernels.kmeans import nearest_rows
from autoal.kernels.lloyd import ClusterRows, assign, lloyd
from autoal.kernels.precision import full_precision
from autoal.kernels.sampling import d2_sample
from autoal.kernels.types import Picks

L = TypeVar("L", bound=Geometry)


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

    def nearest(self, low: int, high: int, centres: L) -> tuple[Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, and by how much it may be wrong."""
        first, last = self._own(low), self._own(high)
        found = self.local.nearest(first, last, centres)
        block = torch.zeros(high - low, 2, dtype=torch.float64, device=self.device)
        start = first * self._world.size + self._world.rank - low
        block[start :: self._world.size] = torch.stack([part.double() for part in found], 1)
        value, slack = self._world.sum(block).unbind(1)
        return value.to(self.dtype), slack.to(self.dtype)

    def nearest_of(self, rows: Tensor, centres: L) -> tuple[Tensor, Tensor]:
        """The same for some rows, each computed by the rank that has it."""
        mine = rows % self._world.size == self._world.rank
        found = self.local.nearest_of(rows[mine] // self._world.size, centres)
        out = torch.zeros(rows.numel(), 2, dtype=torch.float64, device=self.device)
        out[mine] = torch.stack([part.double() for part in found], 1)
        value, slack = self._world.sum(out).unbind(1)
        return value.to(self.dtype), slack.to(self.dtype)

    def locally(self, rows: Tensor, exact: Callable[[Tensor], Tensor]) -> Tensor:
        """Numbers of some rows, ``(m,)`` float64 on every rank, each computed by the rank that has the row."""
        mine = rows % self._world.size == self._world.rank
        out = torch.zeros(rows.numel(), dtype=torch.float64, device=self.device)
        out[mine] = exact(rows[mine] // self._world.size)
        return self._world.sum(out)

    def whole(self, mine: Tensor) -> Tensor:
        """Return one number per row on every rank, from this rank's."""
        return self._world.gather_rows(mine, self.n)

    def _own(self, row: int) -> int:
        """Number of this rank's rows before a row of all."""
        return max(0, -(-(row - self._world.rank) // self._world.size))


def sharded_points(mine: Tensor, n_rows: int, world: World) -> tuple[Sharded[Points], Tensor]:
    """Describe embeddings spread over ranks, relative to the mean of them all, and return that mean in float64."""
    mean = world.sum(column_sum(mine)) / n_rows
    dtype = compute_dtype(mine)
    shift = mean.to(dtype)
    space = Sharded(
        Points(mine, shift),
        n_rows,
        world,
        lambda p: (p.x.to(dtype), p.norms),
        lambda x, norms: Points(x, shift, norms),
    )
    return space, mean


@full_precision()
def sharded_kcenter(
    mine: Tensor,
    n_rows: int,
    n: int,
    world: World,
    labelled: Tensor | None = None,
    cache_size: int = 512,
    progress: Progress | None = None,
) -> Picks:
    """Run :func:`autoal.kernels.kcenter` on embeddings that are spread over ranks.

    Args:
        mine: This rank's rows of the pool, ``(N_rank, D)``.
        n_rows: Number N of rows over all ranks.
        n: Number of picks, 1 to N.
        world: This rank's place.
        labelled: ``(L, D)`` labelled samples, the same on every rank.
        cache_size: See :func:`autoal.kernels.kcenter`.
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
        centres = Points(labelled.to(device=mine.device, dtype=space.dtype), space.local.shift)
    first = None
    if centres is None:
        norms, shift = space.whole(space.local.norms), mean.to(space.dtype)
        first = nearest_to_mean(
            norms, shift, mean, lambda rows: space.locally(rows, lambda own: distances_from(mine, own, mean))
        )
    # The traversal holds space and slices to one type; here a slice is the local form of the space.
    result = farthest_first(space, n, centres, first, cache_size, progress)  # type: ignore[type-var]
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
        GradientEmbeddings(logits, embeddings),
        n_rows,
        world,
        lambda g: (g.logits.to(g.dtype), g.x.to(g.dtype), g.norms),
        GradientEmbeddings,
    )
    norms = space.whole(space.local.norms)
    largest = float(norms.max())
    random_row = min(int(uniform(1, generator) * n_rows), n_rows - 1)
    first = largest_gradient(space.local, norms, space.take) if largest > 0 else random_row
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
    rows = ClusterRows(
        space.local,
        n_rows,
        total=world.sum,
        whole=space.whole,
        largest=lambda power: world.largest([power])[0],
        locally=space.locally,
        values=lambda index: space.take(index).x.double(),
    )
    centroids = rows.values(seeds.index.to(mine.device))
    centroids = lloyd(rows, centroids, None, max_iter, tol, progress)
    which, cost = assign(rows.points, centroids)
    count = world.sum(torch.bincount(which, minlength=n).double())
    index = nearest_rows(rows, centroids)
    inertia = float(space.whole(cost).double().mean())
    log = {"inertia": inertia, "empty_clusters": float((count == 0).sum())}
    return Picks(index, count / n_rows, log)
