"""Rows with a squared distance between them, computed in blocks and never as an N x N matrix.

Greedy and sampling kernels need few things from a space: the nearest of some centres for a block of rows (one
matrix product), the distance of a few pairs without cancellation, and the exact matrix of a small window. This
file states them once, for Euclidean points and for the gradient embeddings of BADGE.
"""

from __future__ import annotations

from typing import Protocol, Self

import torch
from torch import Tensor

from autoal.kernels.checks import compute_dtype, row_blocks


class Geometry(Protocol):
    """``n`` rows and a squared distance. Slices made by ``take`` are small and serve as centres."""

    n: int
    device: torch.device

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""

    def take(self, index: Tensor) -> Self:
        """Copy some rows out, ``index`` being ``(m,)`` int64."""

    def append(self, other: Self) -> Self:
        """Put the rows of another small slice behind these."""

    def nearest(self, low: int, high: int, centres: Self) -> tuple[Tensor, Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, which one, rounding bound."""

    def direct(self, rows: Self) -> Tensor:
        """Squared distances ``(n,)`` of own rows to ``rows`` one by one (a single row counts for all)."""

    def square(self) -> Tensor:
        """The ``(n, n)`` float64 matrix of squared distances of a small slice."""


class Points:
    """Rows of a matrix under the squared Euclidean distance.

    Storage stays as it is given (float16 or bfloat16 for large pools); blocks are widened to float32 on the way.

    Attributes:
        n: Number of rows.
        device: Where the rows are.
        norms: ``(n,)`` squared norms of the shifted rows.
    """

    EPS = 4.0

    def __init__(self, x: Tensor, shift: Tensor | None = None, norms: Tensor | None = None) -> None:
        self.x = x
        self.shift = shift
        self.n = x.shape[0]
        self.device = x.device
        self.dtype = compute_dtype(x)
        if norms is None:
            norms = torch.empty(self.n, dtype=self.dtype, device=x.device)
            for low, high in row_blocks(self.n, x.shape[1], x.device):
                norms[low:high] = self.rows(low, high).square().sum(1)
        self.norms = norms

    @property
    def origin(self) -> Tensor:
        """``(d,)`` point that the rows are relative to."""
        if self.shift is None:
            return torch.zeros(self.x.shape[1], dtype=self.dtype, device=self.device)
        return self.shift

    @classmethod
    def centred(cls, x: Tensor) -> Points:
        """Make points whose mean is moved to the origin: less cancellation in ``|x|^2 - 2xy + |y|^2``."""
        return cls(x, shift=column_mean(x))

    def rows(self, low: int, high: int) -> Tensor:
        """Rows ``low..high`` in the computing type, shifted."""
        block = self.x[low:high].to(self.dtype)
        return block if self.shift is None else block - self.shift

    def values(self, index: Tensor) -> Tensor:
        """Chosen rows in the computing type, shifted, ``(m, d)``."""
        block = self.x[index].to(self.dtype)
        return block if self.shift is None else block - self.shift

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""
        return self.x.shape[1] + centres

    def take(self, index: Tensor) -> Points:
        """Copy some rows out; the copy needs no shift any more."""
        return Points(self.values(index), None, self.norms[index])

    def append(self, other: Points) -> Points:
        """Put the rows of another small slice behind these."""
        return Points(torch.cat([self.x, other.x]), None, torch.cat([self.norms, other.norms]))

    def nearest(self, low: int, high: int, centres: Points) -> tuple[Tensor, Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, which one, rounding bound."""
        norms = self.norms[low:high]
        # The norm of the row does not change which centre is nearest: add it after the reduction.
        values, which = torch.addmm(centres.norms, self.rows(low, high), centres.x.T, alpha=-2).min(1)
        bound = (self.EPS * torch.finfo(self.dtype).eps) * (norms + centres.norms.amax())
        return (values + norms).clamp_(min=0), which, bound

    def direct(self, rows: Points) -> Tensor:
        """Squared distances of own rows to ``rows`` one by one, by differences."""
        return (self.x - rows.x).square_().sum(1)

    def square(self) -> Tensor:
        """The ``(n, n)`` float64 matrix of squared distances of a small slice."""
        x = self.x.double()
        norms = x.square().sum(1)
        out = torch.addmm(norms, x, x.T, alpha=-2).add_(norms[:, None]).clamp_(min=0)
        return out.fill_diagonal_(0)


def column_mean(x: Tensor) -> Tensor:
    """Mean of the columns of ``(n, d)``, summed in float64, in the computing type of ``x``."""
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for low, high in row_blocks(x.shape[0], x.shape[1], x.device):
        total += x[low:high].to(compute_dtype(x)).sum(0)
    return (total / x.shape[0]).to(compute_dtype(x))
