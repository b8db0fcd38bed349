r"""Exact D^2 sampling (the seeding of k-means++) that reads the data a few times instead of once per pick.

k-means++ draws each centre with probability proportional to :math:`w_i D_i^2`, the weighted squared distance to
the nearest centre so far (Arthur, Vassilvitskii, *k-means++: The Advantages of Careful Seeding*, SODA 2007).
Distances only shrink as centres are added, so distances to *older* centres are upper bounds: a row proposed from
the bounds and accepted with probability (true / bound) has exactly the wanted distribution, and the true value
of one proposed row costs only its distance to the centres that the bounds do not know yet. Every few dozen
picks one matrix product brings all bounds up to date.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.kernels.checks import Progress, choose_rest, row_blocks, uniform
from autoal.kernels.geometry import G, nearest_checked

_MAX_PENDING = 96
_MAX_REJECTED = 192


class Seeds:
    """Result of :func:`d2_sample`.

    Attributes:
        index: ``(n,)`` int64 unique rows, in order of choice, on the CPU.
        distance: ``(n,)`` float64 squared distance to the nearest earlier pick at the moment of choice; 0 for
            rows that were filled in because nothing had any distance left.
        passes: How many times all rows were read.
        proposals: How many rows were proposed.
        filled: How many of the last rows were chosen uniformly because every remaining weighted distance was 0.
    """

    def __init__(self, n: int) -> None:
        self.index = torch.empty(n, dtype=torch.int64)
        self.distance = torch.zeros(n, dtype=torch.float64)
        self.passes = 0
        self.proposals = 0
        self.filled = 0


def d2_sample(
    space: G,
    n: int,
    generator: torch.Generator,
    first: int,
    weights: Tensor | None = None,
    progress: Progress | None = None,
) -> Seeds:
    """Draw ``n`` distinct rows by D^2 sampling, the first one given.

    Args:
        space: The rows and their distance.
        n: How many rows, between 1 and ``space.n``.
        generator: The source of randomness.
        first: The first row.
        weights: ``(space.n,)`` non-negative factors of the squared distances, or ``None`` for ones.
        progress: Called with (picks made, n) after every pass over the rows.

    Returns:
        The picks and how much work they took. When all remaining weighted distances are zero (every remaining
        row repeats a chosen one) the rest is chosen uniformly among the rows that are left.
    """
    out = Seeds(n)
    bounds = torch.full((space.n,), torch.inf, dtype=torch.float64)
    factor = torch.ones(space.n, dtype=torch.float64) if weights is None else weights.double().cpu()
    taken = torch.zeros(space.n, dtype=torch.bool)
    pending = space.take(torch.tensor([first], device=space.device))
    out.index[0] = first
    taken[first] = True
    done = 1
    while done < n:
        _tighten(space, pending, bounds)
        out.passes += 1
        bounds[taken] = 0
        mass = torch.cumsum(bounds * factor, 0)
        total = float(mass[-1])
        if not total > 0:
            break
        if progress is not None:
            progress(done, n)
        fresh: G | None = None
        rejected = 0
        draws = uniform(0, generator)
        while done < n and rejected < _MAX_REJECTED and (fresh is None or fresh.n < _MAX_PENDING):
            if draws.numel() < 2:
                draws = uniform(256, generator)
            place, luck = float(draws[0]) * total, float(draws[1])
            draws = draws[2:]
            row = min(int(torch.searchsorted(mass, place, right=True)), space.n - 1)
            out.proposals += 1
            here = space.take(torch.tensor([row], device=space.device))
            bound = float(bounds[row])
            true = bound if fresh is None else min(bound, float(fresh.direct(here).min()))
            # `bound > 0` guards the row on which a rounded cumulative sum may land beside its neighbour.
            if taken[row] or not bound > 0 or luck * bound >= true:
                rejected += 1
                continue
            out.index[done], out.distance[done] = row, true
            taken[row] = True
            done += 1
            fresh = here if fresh is None else fresh.append(here)
        if fresh is not None:
            pending = fresh
        elif rejected:
            break  # bounds were all up to date and still nothing could be accepted: no distance is left
    if done < n:
        out.filled = n - done
        out.index[done:] = choose_rest(taken, n - done, generator)
    if progress is not None:
        progress(n, n)
    return out


def _tighten(space: G, centres: G, bounds: Tensor) -> None:
    """Lower the bounds in place by the distances to new centres."""
    for low, high in row_blocks(space.n, space.width(centres.n), space.device):
        value = nearest_checked(space, low, high, centres)[0]
        bounds[low:high] = torch.minimum(bounds[low:high], value.double().cpu())
