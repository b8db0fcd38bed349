"""Exact farthest-first traversal that reads the data a few times instead of once per pick.

Distances to the nearest centre only shrink as centres are added, so old distances are upper bounds. The rows
with the largest bounds form a window; inside it all distances are kept exact (float64), and as long as its best
row is at least as far as the best *bound* outside, that row is the farthest of all. Only when the window is
exhausted does one matrix product against all centres chosen meanwhile bring the bounds of all rows up to date.
The picks are those of the plain algorithm.
"""

from __future__ import annotations

from typing import Generic

import torch
from torch import Tensor

from autoal.kernels.checks import Progress, row_blocks
from autoal.kernels.geometry import G, nearest_checked

_WINDOW = 1024
_CENTRES = 1024
_FEW = 4


class Traversal:
    """Result of :func:`farthest_first`.

    Attributes:
        index: ``(n,)`` int64 unique rows in order of choice, on the CPU.
        distance: ``(n,)`` float64 squared distance to the nearest centre at the moment of choice. For a first row
            that was given, the largest distance of any row from it.
        passes: How many times all rows were read.
    """

    def __init__(self, n: int) -> None:
        self.index = torch.empty(n, dtype=torch.int64)
        self.distance = torch.zeros(n, dtype=torch.float64)
        self.passes = 0


class _Bounds(Generic[G]):
    """Upper bounds of the squared distance to the nearest centre, and which centre gave them."""

    def __init__(self, space: G, centres: G | None) -> None:
        self.space = space
        self.centres = centres
        self.offset = 0 if centres is None else centres.n
        self.value = torch.full((space.n,), torch.inf, dtype=space.dtype, device=space.device)
        self.who = torch.zeros(space.n, dtype=torch.int32, device=space.device)
        self.rounding = 0.0

    def lower(self, centres: G, offset: int) -> None:
        """Take new centres, numbered from ``offset``, into account: one pass over the rows."""
        parts = [(a, min(centres.n, a + _CENTRES)) for a in range(0, centres.n, _CENTRES)]
        slices = [centres.take(torch.arange(a, b, device=self.space.device)) for a, b in parts]
        width = self.space.width(min(centres.n, _CENTRES))
        for low, high in row_blocks(self.space.n, width, self.space.device):
            for (start, _), part in zip(parts, slices, strict=True):
                value, which, rounding = nearest_checked(self.space, low, high, part)
                self.rounding = max(self.rounding, rounding)
                closer = value < self.value[low:high]
                self.value[low:high][closer] = value[closer].to(self.value.dtype)
                self.who[low:high][closer] = (which[closer] + (start + offset)).int()

    def exact(self, rows: Tensor, picked: Tensor) -> Tensor:
        """Float64 squared distances of some rows to the centre that is nearest to each."""
        out = torch.empty(rows.numel(), dtype=torch.float64, device=self.space.device)
        who = self.who[rows].long()
        old = who < self.offset
        if self.centres is not None and bool(old.any()):
            out[old] = self.space.take(rows[old]).direct(self.centres.take(who[old]))
        if not bool(old.all()):
            chosen = picked.to(rows.device)[who[~old] - self.offset]
            out[~old] = self.space.take(rows[~old]).direct(self.space.take(chosen))
        return out


def farthest_first(
    space: G,
    n: int,
    centres: G | None = None,
    first: int | None = None,
    window: int = _WINDOW,
    progress: Progress | None = None,
) -> Traversal:
    """Choose ``n`` rows, each the farthest from all centres and from all rows chosen before it.

    Args:
        space: The rows and their distance.
        n: How many rows, between 1 and ``space.n``.
        centres: Rows of the same geometry that are centres from the start, or ``None``.
        first: The first row; needed exactly when there are no centres.
        window: How many rows are kept exact at a time; changes speed, not the result.
        progress: Called with (picks made, n) after every pass over the rows.

    Returns:
        The picks. Of equally far rows the lower one is chosen; when every remaining row repeats a centre the rest
        is filled with the lowest rows that are left.
    """
    out = Traversal(n)
    bounds = _Bounds(space, centres)
    taken = torch.zeros(space.n, dtype=torch.bool, device=space.device)
    done = flushed = 0
    if centres is not None:
        bounds.lower(centres, 0)
        out.passes += 1
    else:
        assert first is not None
        out.index[0] = first
        taken[first] = True
        bounds.lower(space.take(out.index[:1].to(space.device)), 0)
        out.passes += 1
        out.distance[0] = float(bounds.value.max())
        done = flushed = 1
    few = False
    while done < n:
        if done > flushed:
            chosen = out.index[flushed:done].to(space.device)
            bounds.lower(space.take(chosen), bounds.offset + flushed)
            out.passes += 1
            flushed = done
        bounds.value[taken] = -1
        if progress is not None:
            progress(done, n)
        rows, outside = _window(bounds.value, window)
        value = bounds.exact(rows, out.index)
        value[taken[rows]] = -1
        pair = space.take(rows).square()
        # A bound outside may be too small by the rounding of the product. Where many rows are equally far (one-hot
        # features, say) that caution would end every window at once; then rows within rounding count as equal.
        limit = outside + (-bounds.rounding if few else bounds.rounding)
        start = done
        while done < n:
            place = int(value.argmax())
            best = float(value[place])
            if best < 0 or (done > start and best < limit):
                break
            if best == 0:
                break
            out.index[done], out.distance[done] = rows[place], best
            taken[rows[place]] = True
            value = torch.minimum(value, pair[place])
            value[place] = -1
            done += 1
        few = done - start < _FEW
        if done == start:
            break  # nothing is left that differs from a centre
    if done < n:
        free = (~taken).nonzero().squeeze(1)
        out.index[done:] = free[: n - done].cpu()
    if progress is not None:
        progress(n, n)
    return out


def _window(bounds: Tensor, size: int) -> tuple[Tensor, float]:
    """The rows with the largest bounds, in order of rows, and the largest bound outside."""
    if bounds.numel() <= size:
        return torch.arange(bounds.numel(), device=bounds.device), -torch.inf
    top = torch.topk(bounds, size + 1)
    return torch.sort(top.indices[:size]).values, float(top.values[size])
