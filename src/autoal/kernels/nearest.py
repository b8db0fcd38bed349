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

    Args:
        space: The rows and their distance.
        centres: The first centres.
        lower_limits: Whether lower limits are kept too.

    Attributes:
        centres: All centres so far.
        high: ``(space.n,)`` upper limits.
        low: ``(space.n,)`` lower limits, empty if they are not kept.
        exact: ``(space.n,)`` float64 distances to the centres that the row has seen.
        seen: ``(space.n,)`` how many centres, in order, ``exact`` takes into account.
    """

    def __init__(self, space: G, centres: G, lower_limits: bool = False) -> None:
        self.space = space
        self.centres = centres.prepare()
        self.high = torch.full((space.n,), torch.inf, dtype=space.dtype, device=space.device)
        self.low = self.high.clone() if lower_limits else self.high[:0]
        self.exact = torch.full((space.n,), torch.inf, dtype=torch.float64, device=space.device)
        self.seen = torch.zeros(space.n, dtype=torch.int32, device=space.device)
        self._lower(centres)

    def add(self, new: G) -> None:
        """Take new centres into account: one pass over the rows."""
        self.centres = self.centres.append(new.prepare())
        self._lower(new)

    def _lower(self, new: G) -> None:
        parts = [(a, min(new.n, a + _CENTRES)) for a in range(0, new.n, _CENTRES)]
        slices = [new.take(torch.arange(a, b, device=self.space.device)) for a, b in parts]
        width = self.space.width(min(new.n, _CENTRES))
        for start, end in row_blocks(self.space.n, width, self.space.device):
            high, low = self.high[start:end], self.low[start:end]
            for part in slices:
                value, slack = self.space.nearest(start, end, part)
                torch.minimum(high, value + slack, out=high)
                if low.numel():
                    torch.minimum(low, (value - slack).clamp_(min=0), out=low)

    def settle(self, rows: Tensor) -> Tensor:
        """Exact distances of some rows to the nearest of all centres, ``(m,)`` float64."""
        for seen in torch.unique(self.seen[rows]).tolist():
            if seen == self.centres.n:
                continue
            part = rows[self.seen[rows] == seen]
            new = self.centres.take(torch.arange(seen, self.centres.n, device=self.space.device))
            self.exact[part] = torch.minimum(self.exact[part], exact_values(self.space, part, new))
        self.seen[rows] = self.centres.n
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
