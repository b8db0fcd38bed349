"""Rows with a squared distance between them, computed in blocks and never as an N x N matrix.

Greedy and sampling kernels need few things from a space: the nearest of some centres for a block of rows (one
matrix product), the distance of a few pairs without cancellation, and the exact matrix of a small window. This
file states them once, for Euclidean points and for the gradient embeddings of BADGE.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from autoal.kernels.checks import compute_dtype, row_blocks


class Geometry(Protocol):
    """``n`` rows and a squared distance. Slices made by ``take`` are small and serve as centres."""

    n: int
    device: torch.device
    dtype: torch.dtype

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""

    def take(self, index: Tensor) -> Self:
        """Copy some rows out, ``index`` being ``(m,)`` int64."""

    def append(self, other: Self) -> Self:
        """Put the rows of another small slice behind these."""

    def nearest(self, low: int, high: int, centres: Self) -> tuple[Tensor, Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, which one, rounding bound."""

    def direct(self, rows: Self) -> Tensor:
        """Float64 squared distances ``(n,)`` to ``rows`` one by one (a single row counts for all)."""

    def square(self) -> Tensor:
        """The ``(n, n)`` float64 matrix of squared distances of a small slice."""


G = TypeVar("G", bound=Geometry)


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
        """Float64 squared distances of own rows to ``rows`` one by one, by differences."""
        return (self.x.double() - rows.x.double()).square_().sum(1)

    def square(self) -> Tensor:
        """The ``(n, n)`` float64 matrix of squared distances of a small slice."""
        x = self.x.double()
        norms = x.square().sum(1)
        out = torch.addmm(norms, x, x.T, alpha=-2).add_(norms[:, None]).clamp_(min=0)
        return out.fill_diagonal_(0)


class GradientEmbeddings:
    r"""Rows :math:`g = (p - e_{\hat y}) \otimes h` under the squared Euclidean distance, never written out.

    :math:`\langle g, g' \rangle = \langle r, r' \rangle \langle h, h' \rangle` for
    :math:`g = r \otimes h`, so two small products replace one of width ``C * D``.

    Attributes:
        n: Number of rows.
        device: Where the rows are.
        norms: ``(n,)`` squared norms :math:`|r|^2 |h|^2`.
    """

    def __init__(self, logits: Tensor | None, x: Tensor, residual: Tensor | None, norms: Tensor | None) -> None:
        self.logits = logits
        self.x = x
        self.residual = residual
        self.n = x.shape[0]
        self.device = x.device
        wide = torch.float64 in (x.dtype, None if logits is None else logits.dtype)
        self.dtype = torch.float64 if wide else compute_dtype(x)
        if norms is None:
            norms = torch.empty(self.n, dtype=self.dtype, device=x.device)
            for low, high in row_blocks(self.n, self.width(0), x.device):
                r, h = self._rows(slice(low, high))
                norms[low:high] = r.square().sum(1) * h.square().sum(1)
        self.norms = norms

    @classmethod
    def of(cls, logits: Tensor, embeddings: Tensor) -> GradientEmbeddings:
        """Describe the gradients of the last layer for logits ``(N, C)`` and embeddings ``(N, D)``."""
        return cls(logits, embeddings, None, None)

    def _rows(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        """The two factors of some rows in the computing type."""
        if self.residual is not None:
            return self.residual[rows], self.x[rows]
        assert self.logits is not None
        return softmax_residual(self.logits[rows].to(self.dtype)), self.x[rows].to(self.dtype)

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""
        classes = self.logits.shape[1] if self.logits is not None else 0
        return self.x.shape[1] + 3 * classes + 2 * centres

    def take(self, index: Tensor) -> GradientEmbeddings:
        """Copy some rows out as their two factors."""
        r, h = self._rows(index)
        return GradientEmbeddings(None, h, r, self.norms[index])

    def append(self, other: GradientEmbeddings) -> GradientEmbeddings:
        """Put the rows of another small slice behind these."""
        (r, h), (r2, h2) = self._rows(slice(None)), other._rows(slice(None))
        return GradientEmbeddings(
            None, torch.cat([h, h2]), torch.cat([r, r2]), torch.cat([self.norms, other.norms])
        )

    def nearest(self, low: int, high: int, centres: GradientEmbeddings) -> tuple[Tensor, Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, which one, rounding bound."""
        r, h = self._rows(slice(low, high))
        cr, ch = centres._rows(slice(None))
        norms = self.norms[low:high]
        inner = (r @ cr.T).mul_(h @ ch.T)
        values, which = torch.add(centres.norms, inner, alpha=-2, out=inner).min(1)
        bound = (8 * torch.finfo(self.dtype).eps) * (norms + centres.norms.amax())
        return (values + norms).clamp_(min=0), which, bound

    def direct(self, rows: GradientEmbeddings) -> Tensor:
        r"""Float64 squared distances one by one.

        :math:`|r \otimes h - r' \otimes h'|^2` is written with the differences :math:`r - r'` and
        :math:`h - h'`, so equal rows give exactly zero.
        """
        (r, h), (r2, h2) = self._rows(slice(None)), rows._rows(slice(None))
        r, h, r2, h2 = r.double(), h.double(), r2.double(), h2.double()
        dr, dh = r - r2, h - h2
        out = dr.square().sum(1) * h.square().sum(1) + r2.square().sum(1) * dh.square().sum(1)
        return (out + 2 * (dr * r2).sum(1) * (h * dh).sum(1)).clamp_(min=0)

    def square(self) -> Tensor:
        """The ``(n, n)`` float64 matrix of squared distances of a small slice."""
        r, h = self._rows(slice(None))
        r, h = r.double(), h.double()
        inner = (r @ r.T) * (h @ h.T)
        norms = inner.diagonal().clone()
        return (norms[:, None] + norms - 2 * inner).clamp_(min=0).fill_diagonal_(0)


def softmax_residual(logits: Tensor) -> Tensor:
    """Return ``softmax(logits) - onehot(argmax)``, ``(N, C)``.

    The entry of the predicted class is minus the sum of the others, which keeps its digits when the prediction
    is so certain that 1 - p rounds to zero.
    """
    logp = torch.log_softmax(logits, dim=1)
    top = logp.argmax(1, keepdim=True)
    others = logp.exp_().scatter_(1, top, 0.0)
    return others.scatter_(1, top, -others.sum(1, keepdim=True))


def nearest_checked(space: G, low: int, high: int, centres: G) -> tuple[Tensor, Tensor, float]:
    """``space.nearest`` with distances near zero recomputed by differences.

    A matrix product cannot tell a repetition of a centre from a row very near to it; exact zeros for repetitions
    are what keeps them from being chosen.

    Args:
        space: All rows.
        low: First row of the block.
        high: Row after the block.
        centres: A small slice.

    Returns:
        Squared distance to the nearest centre, which one, and the largest rounding bound of the block.
    """
    value, which, rounding = space.nearest(low, high, centres)
    doubtful = (value <= 16 * rounding).nonzero().squeeze(1)
    if doubtful.numel():
        exact = space.take(doubtful + low).direct(centres.take(which[doubtful]))
        value[doubtful] = exact.to(value.dtype)
    return value, which, float(rounding.max())


def column_mean(x: Tensor) -> Tensor:
    """Mean of the columns of ``(n, d)``, summed in float64, in the computing type of ``x``."""
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for low, high in row_blocks(x.shape[0], x.shape[1], x.device):
        total += x[low:high].to(compute_dtype(x)).sum(0)
    return (total / x.shape[0]).to(compute_dtype(x))
