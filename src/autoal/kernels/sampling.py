r"""Exact D^2 sampling (the seeding of k-means++) that reads the data a few times instead of once per pick.

k-means++ draws each centre with probability proportional to :math:`w_i D_i^2`, the weighted squared distance to
the nearest centre so far (Arthur, Vassilvitskii, *k-means++: The Advantages of Careful Seeding*, SODA 2007).
Distances only shrink as centres are added, so distances to *older* centres are upper bounds: a row proposed from
the bounds and accepted with probability (true / bound) has exactly the wanted distribution, and the true value
of one proposed row costs only its distance to the centres that the bounds do not know yet. Every few dozen
picks one matrix product brings all bounds up to date.

Products round, and differently from place to place, so a draw from rounded distances would depend on the machine.
The bounds are therefore rounded up to a coarse grid, and where a product leaves open which point of the grid that
is, the distance is computed exactly (:mod:`autoal.kernels.ties`): the same numbers are drawn from everywhere.
"""

from __future__ import annotations

from typing import Generic

import torch
from torch import Tensor

from autoal.kernels.checks import Progress, choose_rest, uniform
from autoal.kernels.geometry import G
from autoal.kernels.nearest import Nearest

_MAX_PENDING = 96
_MAX_REJECTED = 192
_DRAWN = 128
_GRID_BITS = 47
"""Bits of a float64 that the grid leaves out: its points are a few percent apart, so few rows lie near one."""
_OFFSET = 1.2345678901234567
"""Moves the grid away from round numbers, which distances may be, give or take their rounding."""


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
    factor = torch.ones(space.n, dtype=torch.float64) if weights is None else weights.double().cpu()
    taken = torch.zeros(space.n, dtype=torch.bool)
    known = Nearest(space, space.take(torch.tensor([first], device=space.device)), lower_limits=True)
    out.passes += 1
    out.index[0] = first
    taken[first] = True
    done = 1
    while done < n:
        bounds = _grid_bounds(known).cpu()
        bounds[taken] = 0
        mass = torch.cumsum(bounds * factor, 0)
        if not float(mass[-1]) > 0:
            break
        if progress is not None:
            progress(done, n)
        start = done
        fresh = _Round(known, bounds, mass, taken, generator)
        done += fresh.draw(min(n - done, _MAX_PENDING))
        out.proposals += fresh.proposals
        if done == start:
            break  # bounds were all up to date and still nothing could be accepted: no distance is left
        out.index[start:done], out.distance[start:done] = fresh.result()
        if done < n:
            known.add(fresh.accepted())
            out.passes += 1
    if done < n:
        out.filled = n - done
        out.index[done:] = choose_rest(taken, n - done, generator)
    if progress is not None:
        progress(n, n)
    return out


class _Round(Generic[G]):
    """What is drawn from one set of bounds."""

    def __init__(
        self, known: Nearest[G], bounds: Tensor, mass: Tensor, taken: Tensor, generator: torch.Generator
    ) -> None:
        self._known, self._bounds, self._mass, self._taken = known, bounds, mass, taken
        self._generator = generator
        self._slices: list[G] = []
        self._rows: list[int] = []
        self.proposals = 0

    def accepted(self) -> G:
        """The rows that were accepted, in order."""
        whole = self._slices[0]
        for part in self._slices[1:]:
            whole = whole.append(part)
        return whole

    def result(self) -> tuple[Tensor, Tensor]:
        """Accepted rows and their exact squared distances to the nearest earlier pick, on the CPU."""
        index = torch.tensor(self._rows)
        rows = self.accepted()
        distance = self._known.settle(index.to(rows.device))
        if rows.n > 1:
            value, _, _ = rows.cross(rows, wide=True)
            later = torch.ones_like(value, dtype=torch.bool).triu()
            who = value.masked_fill_(later, torch.inf).argmin(1)
            distance[1:] = torch.minimum(distance[1:], rows.direct(rows.take(who))[1:])
        return index, distance.cpu()

    def draw(self, count: int) -> int:
        """Propose and accept up to ``count`` rows; returns how many were accepted."""
        total = float(self._mass[-1])
        device = self._known.space.device
        rejected = 0
        while len(self._rows) < count and rejected < _MAX_REJECTED:
            draws = uniform(2 * _DRAWN, self._generator).view(_DRAWN, 2)
            rows = torch.searchsorted(self._mass, draws[:, 0] * total, right=True).clamp_(
                max=self._mass.numel() - 1
            )
            slice_ = self._known.space.take(rows.to(device)).prepare()
            between = slice_.cross(slice_, wide=True)[0].cpu()
            near = torch.full((_DRAWN,), torch.inf, dtype=torch.float64)
            if self._slices:
                near = slice_.cross(self.accepted(), wide=True)[0].amin(1).cpu()
            here: list[int] = []
            for place, (row, luck) in enumerate(zip(rows.tolist(), draws[:, 1].tolist(), strict=True)):
                if len(self._rows) == count or rejected == _MAX_REJECTED:
                    break
                self.proposals += 1
                bound = float(self._bounds[row])
                # `bound > 0` guards the row on which a rounded cumulative sum may land beside its neighbour.
                if (
                    self._taken[row]
                    or not bound > 0
                    or luck * bound >= near[place]
                    or not self._below(row, luck * bound)
                ):
                    rejected += 1
                    continue
                here.append(place)
                self._rows.append(row)
                self._taken[row] = True
                near = torch.minimum(near, between[place])
            if here:
                self._slices.append(slice_.take(torch.tensor(here, device=device)))
        return len(self._rows)

    def _below(self, row: int, value: float) -> bool:
        """Whether a value is below the distance of a row to the centres of earlier rounds."""
        if value < float(self._known.low[row]):
            return True
        if value >= float(self._known.high[row]):
            return False
        return value < float(self._known.settle(torch.tensor([row], device=self._known.space.device)))


def _grid_bounds(known: Nearest[G]) -> Tensor:
    """The distances of all rows rounded up to the grid, ``(n,)`` float64."""
    out = _round_up(known.high)
    unsure = (out != _round_up(known.low)).nonzero().squeeze(1)
    if unsure.numel():
        out[unsure] = _round_up(known.settle(unsure))
    return out


def _round_up(value: Tensor) -> Tensor:
    """The next point of the grid; 0 is one."""
    left_out = (1 << _GRID_BITS) - 1
    bits = (value.double() * _OFFSET).view(torch.int64)
    return (
        ((bits + left_out) & ~left_out)
        .view(torch.float64)
        .div_(torch.full_like(value[:1], _OFFSET, dtype=torch.float64))
    )
