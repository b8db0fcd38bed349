"""Exact farthest-first traversal that reads the data a few times instead of once per pick.

Distances to the nearest centre only shrink as centres are added, so old distances are upper bounds. The rows
with the largest bounds form a cache; inside it distances are kept up to date, and as long as its best row is
farther than the best *bound* outside, that row is the farthest of all. Only when the cache is exhausted do matrix
products with the centres chosen meanwhile bring bounds up to date, and only those of rows whose old bound would
put them into the next cache: a row near a centre is not looked at again until the radius has come down to it.

Products round, and differently from place to place. They only ever say between which limits a distance lies;
where two rows could both be the farthest, the arithmetic of :mod:`autoal.kernels.ties` decides, and of equally far
rows the lowest is chosen. So the picks are those of the plain algorithm, whatever the cache_size, the blocks, the
number of threads or ranks and the processor.
"""

from __future__ import annotations

from typing import Generic

import torch
from torch import Tensor

from autoal.kernels.checks import Progress, row_blocks
from autoal.kernels.geometry import G
from autoal.kernels.nearest import Nearest
from autoal.kernels.ties import TIE

CACHE_SIZE = 512
_STEPS = 16
"""In how many steps all rows would be brought up to date."""


class Traversal:
    """Result of :func:`farthest_first`.

    Attributes:
        index: ``(n,)`` int64 unique rows in order of choice, on the CPU.
        distance: ``(n,)`` float64 squared distance to the nearest centre at the moment of choice. For a first row
            that was given, the largest distance of any row from it.
        passes: How many times the cache was filled; each reads the rows that may still be the farthest.
    """

    def __init__(self, n: int) -> None:
        self.index = torch.empty(n, dtype=torch.int64)
        self.distance = torch.zeros(n, dtype=torch.float64)
        self.passes = 0


class _Cache(Generic[G]):
    """The rows among which the next ones are chosen.

    Distances are exact at first and then known between two limits, which a rounded matrix lowers.

    Args:
        space: All rows.
        rows: ``(m,)`` rows that are inside, ascending.
        value: Their exact squared distances, ``(m,)``.
        outside: No row outside that is not a rival is farther than this.
        rivals: Rows outside that may be as far as those inside.
        rival_values: What the distances of the rivals do not exceed; exact until the first row is picked.
    """

    def __init__(
        self, space: G, rows: Tensor, value: Tensor, outside: float, rivals: Tensor, rival_values: Tensor
    ) -> None:
        self.rows = rows
        self.outside = outside
        self.rivals, self.rival_values = rivals, rival_values
        self.farthest = float(torch.cat([value, rival_values, value.new_zeros(1)]).max())
        self._slice = space.take(rows).prepare()
        self._pair, self._own, self._theirs = self._slice.cross(self._slice)
        self._exact = value
        self._seen = torch.zeros(rows.numel(), dtype=torch.int64, device=rows.device)
        self._low, self._high = value.clone(), value.clone()
        self.places: list[int] = []
        self._limits: list[float] = []

    def pick(self) -> bool:
        """Choose the farthest row of all, if it is certainly inside and not a repetition of a centre."""
        if not self.rows.numel():
            return False
        sure = float(self._low.max())
        places = (self._high >= sure - 2 * TIE * sure).nonzero().squeeze(1)
        if sure < 0:
            return False
        certain = not self.places or sure - TIE * sure > self.outside
        if places.numel() == 1 and certain and sure > 0 and not self.rivals.numel():
            place: int | None = int(places[0])
        else:
            place = self._decide(places)
        if place is None:
            return False
        self._limits.append(float(self._high[place]))
        self.places.append(place)
        error = self._own + self._theirs[place]
        torch.minimum(self._low, (self._pair[place] - error).clamp_(min=0), out=self._low)
        torch.minimum(self._high, self._pair[place] + error, out=self._high)
        self._low[place] = self._high[place] = -1
        return True

    def _decide(self, places: Tensor) -> int | None:
        """Of rows that rounding cannot tell apart, the one to choose; None if a row outside may be due."""
        value = self._settle(places)
        best = float(value.max())
        if best <= 0:
            return None
        high = best
        if self.rivals.numel():
            high = max(best, float(self.rival_values.max()))
        # The farthest of all is between `best` and `high`: the choice has to be the same for both.
        found = places[value >= high - TIE * high]
        if not self.places:
            return int(found[0])  # rivals are exact and ordered so that the lowest of the farthest is inside
        lowest = int(places[value >= best - TIE * best][0])
        if best - TIE * best <= self.outside or not found.numel() or int(found[0]) != lowest:
            return None
        due = (self.rival_values >= best - TIE * best) & (self.rivals < self.rows[lowest])
        return None if bool(due.any()) else lowest

    def _settle(self, places: Tensor) -> Tensor:
        """Exact distances of some rows of the cache_size, counting all that were picked in it."""
        if self.places:
            chosen = torch.tensor(self.places, device=places.device)
            new = torch.arange(chosen.numel(), device=places.device) >= self._seen[places][:, None]
            self._lower(places, chosen, new, self._high[places])
            self._seen[places] = chosen.numel()
        value = self._exact[places]
        self._low[places] = self._high[places] = value
        return value

    def _lower(self, places: Tensor, chosen: Tensor, counted: Tensor, limit: Tensor) -> None:
        """Take into account, exactly, those picks that may be nearer than a limit, ``(m,)``, to some rows."""
        error = self._own[places][:, None] + self._theirs[chosen]
        near = self._pair[places][:, chosen] - error <= limit[:, None]
        pairs = (near & counted).nonzero()
        for low, high in row_blocks(pairs.shape[0], 4 * self._slice.width(0), places.device):
            row, other = places[pairs[low:high, 0]], chosen[pairs[low:high, 1]]
            found = self._slice.take(row).direct(self._slice.take(other))
            self._exact.scatter_reduce_(0, row, found, "amin")

    def distances(self) -> Tensor:
        """Exact squared distances of the picks to the nearest centre when they were chosen, on the CPU."""
        chosen = torch.tensor(self.places, dtype=torch.int64, device=self.rows.device)
        order = torch.arange(chosen.numel(), device=self.rows.device)
        limit = torch.tensor(self._limits, dtype=torch.float64, device=self.rows.device)
        self._lower(chosen, chosen, order < order[:, None], limit)
        return self._exact[chosen].cpu()


def farthest_first(
    space: G,
    n: int,
    centres: G | None = None,
    first: int | None = None,
    cache_size: int = CACHE_SIZE,
    progress: Progress | None = None,
) -> Traversal:
    """Choose ``n`` rows, each the farthest from all centres and from all rows chosen before it.

    Args:
        space: The rows and their distance.
        n: How many rows, between 1 and ``space.n``.
        centres: Rows of the same geometry that are centres from the start, or ``None``.
        first: The first row; needed exactly when there are no centres.
        cache_size: How many rows are kept up to date at a time; changes speed, not the result.
        progress: Called with (picks made, n) whenever the cache is filled.

    Returns:
        The picks. Of equally far rows the lower one is chosen; when every remaining row repeats a centre the rest
        is filled with the lowest rows that are left.
    """
    out = Traversal(n)
    taken = torch.zeros(space.n, dtype=torch.bool, device=space.device)
    done = 0
    if centres is None:
        assert first is not None
        out.index[0], done = first, 1
        taken[first] = True
        centres = space.take(out.index[:1].to(space.device))
    known = Nearest(space, centres)
    while True:
        out.passes += 1
        inside = _cache(known, cache_size, taken)
        if first is not None and out.passes == 1:
            out.distance[0] = inside.farthest
        if progress is not None:
            progress(done, n)
        start = done
        while done < n and inside.pick():
            done += 1
        if done == start:
            break  # nothing is left that differs from a centre
        chosen = inside.rows[torch.tensor(inside.places, device=space.device)]
        out.index[start:done], out.distance[start:done] = chosen.cpu(), inside.distances()
        taken[chosen] = True
        if done == n:
            break
        known.defer(space.take(chosen))
    if done < n:
        free = (~taken).nonzero().squeeze(1)
        out.index[done:] = free[: n - done].cpu()
    if progress is not None:
        progress(n, n)
    return out


def _cache(known: Nearest[G], size: int, taken: Tensor) -> _Cache[G]:
    """The rows that may be the farthest, with exact distances; at least one of them is."""
    rows = _top(known, size, taken)
    best = torch.zeros((), dtype=torch.float64, device=known.space.device)
    while rows.numel():
        best = torch.maximum(best, known.settle(rows).max())
        known.refresh(((known.high >= best - TIE * best) & ~taken).nonzero().squeeze(1))
        # Rows that may be as far as the best one have to be known exactly too, or rounding would decide.
        unsure = (known.high >= best - TIE * best) & (known.high > 0) & (known.seen < known.centres.n) & ~taken
        rows = unsure.nonzero().squeeze(1)
        if rows.numel() > size:
            rows = rows[torch.topk(known.high[rows], size).indices]
    settled = (known.seen == known.centres.n) & ~taken
    rows = settled.nonzero().squeeze(1)
    value = known.exact[rows]
    outside = float(known.high.masked_fill(settled, -1).max())
    if rows.numel() <= size:
        return _Cache(known.space, rows, value, outside, rows[:0], value[:0])
    # Of equally far rows the lower ones are wanted first, so those are inside.
    best = value.max()
    order = torch.sort(torch.where(value >= best - TIE * best, best, value), descending=True, stable=True).indices
    inside, rivals = order[:size].sort().values, order[size:]
    return _Cache(known.space, rows[inside], value[inside], outside, rows[rivals], value[rivals])


def _top(known: Nearest[G], size: int, taken: Tensor) -> Tensor:
    """The rows with the largest limits, brought up to date, of those that are not taken."""
    known.high[taken] = -1
    size = min(size, known.space.n)
    step = max(size, known.space.n // _STEPS)
    while True:
        fresh = known.known == known.centres.n
        last = torch.topk(known.high.masked_fill(~fresh, -1), size).values[-1]
        old = (~fresh & (known.high > last)).nonzero().squeeze(1)
        if not old.numel():
            break
        if old.numel() > step:
            # As these fall, the limit of the cache rises, and some of the others need no product any more.
            old = old[torch.topk(known.high[old], step).indices]
        known.refresh(old.sort().values)
    rows = torch.topk(known.high, size).indices
    return rows[~taken[rows]]
