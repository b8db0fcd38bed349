"""What is known about the distance of every row to its nearest centre, while centres are added."""

from __future__ import annotations

from typing import Generic

import torch
from torch import Tensor

from autoal.kernels.checks import row_blocks
from autoal.kernels.geometry import G, exact_values

_CENTRES = 1024


class Nearest(Generic[G]):
    """Limits of the squared distance of each row to the nearest centre, and exact distances where asked for.

    A limit that does not know the newest centres is still an upper one, since distances only shrink.

    Args:
        space: The rows and their distance.
        centres: The first centres.
        lower_limits: Whether lower limits are kept too.

    Attributes:
        centres: All centres so far.
        high: ``(space.n,)`` upper limits.
        known: ``(space.n,)`` how many centres, in order, ``high`` takes into account.
        low: ``(space.n,)`` lower limits, empty if they are not kept.
        exact: ``(space.n,)`` float64 distances to the centres that the row has seen.
        seen: ``(space.n,)`` how many centres, in order, ``exact`` takes into account.
    """

    def __init__(self, space: G, centres: G, lower_limits: bool = False) -> None:
        self.space = space
        self.centres = centres.prepare()
        self.high = torch.full((space.n,), torch.inf, dtype=space.dtype, device=space.device)
        self.low = self.high.clone() if lower_limits else self.high[:0]
        self.known = torch.zeros(space.n, dtype=torch.int32, device=space.device)
        self.exact = torch.full((space.n,), torch.inf, dtype=torch.float64, device=space.device)
        self.seen = torch.zeros(space.n, dtype=torch.int32, device=space.device)
        self._lower(centres)

    def add(self, new: G) -> None:
        """Take new centres into account: one pass over the rows."""
        self.defer(new)
        self._lower(new)

    def defer(self, new: G) -> None:
        """Note new centres; :meth:`refresh` takes them into account for the rows where they matter."""
        self.centres = self.centres.append(new.prepare())

    def refresh(self, rows: Tensor) -> None:
        """Let the upper limits of some rows, ``(m,)``, take all centres into account."""
        known = self.known[rows]
        for seen in torch.unique(known).tolist():
            if seen == self.centres.n:
                continue
            part = rows[known == seen]
            slices, width = self._slices(self.centres.take(self._range(seen, self.centres.n)))
            for start, end in row_blocks(part.numel(), width, self.space.device):
                block = part[start:end]
                high = self.high[block]
                for new in slices:
                    value, slack = self.space.nearest_of(block, new)
                    torch.minimum(high, value + slack, out=high)
                self.high[block] = high
        self.known[rows] = self.centres.n

    def _range(self, low: int, high: int) -> Tensor:
        return torch.arange(low, high, device=self.space.device)

    def _slices(self, new: G) -> tuple[list[G], int]:
        """Centres in parts of bounded size, and the numbers per row that a product with one of them needs."""
        parts = [(a, min(new.n, a + _CENTRES)) for a in range(0, new.n, _CENTRES)]
        return [new.take(self._range(a, b)) for a, b in parts], self.space.width(min(new.n, _CENTRES))

    def _lower(self, new: G) -> None:
        """Take new centres into account in the limits of all rows."""
        slices, width = self._slices(new)
        for start, end in row_blocks(self.space.n, width, self.space.device):
            high, low = self.high[start:end], self.low[start:end]
            for part in slices:
                value, slack = self.space.nearest(start, end, part)
                torch.minimum(high, value + slack, out=high)
                if low.numel():
                    torch.minimum(low, (value - slack).clamp_(min=0), out=low)
        self.known[:] = self.centres.n

    def settle(self, rows: Tensor) -> Tensor:
        """Exact distances of some rows to the nearest of all centres, ``(m,)`` float64."""
        for seen in torch.unique(self.seen[rows]).tolist():
            if seen == self.centres.n:
                continue
            part = rows[self.seen[rows] == seen]
            new = self.centres.take(self._range(seen, self.centres.n))
            self.exact[part] = torch.minimum(self.exact[part], exact_values(self.space, part, new))
        self.seen[rows] = self.known[rows] = self.centres.n
        value = self.exact[rows]
        self.high[rows] = torch.minimum(self.high[rows], _outward(value, self.high.dtype, torch.inf))
        if self.low.numel():
            self.low[rows] = torch.maximum(self.low[rows], _outward(value, self.low.dtype, -torch.inf))
        return value


def _outward(value: Tensor, dtype: torch.dtype, towards: float) -> Tensor:
    """Float64 values as limits in a narrower type: never on the wrong side, and 0 stays 0."""
    narrow = value.to(dtype)
    if dtype == torch.float64:
        return narrow
    return torch.where(value == 0, narrow, torch.nextafter(narrow, torch.full_like(narrow, towards)))
