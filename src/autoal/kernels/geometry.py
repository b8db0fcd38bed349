"""Rows with a squared distance between them, computed in blocks and never as an N x N matrix.

Greedy and sampling kernels need few things from a space: how far a block of rows is from the nearest of some
centres and how well that is known (one matrix product), the matrix between two small slices, likewise rounded,
and the distance of a few pairs by an arithmetic that does not round differently from place to place. This file
states them once, for Euclidean points and for the gradient embeddings of BADGE.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from autoal.kernels import ties
from autoal.kernels.checks import compute_dtype, row_blocks
from autoal.kernels.ties import largest_checked

_FEW_PAIRS = 4


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

    def prepare(self) -> Self:
        """Compute once, for a slice, what ``direct`` needs; slices of the slice inherit it."""

    def nearest(self, low: int, high: int, centres: Self) -> tuple[Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, and by how much it may be wrong."""

    def nearest_of(self, rows: Tensor, centres: Self) -> tuple[Tensor, Tensor]:
        """The same for some rows, ``(m,)`` int64."""

    def cross(self, centres: Self, wide: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Rounded squared distances ``(n, k)`` of a slice to ``k`` centres.

        Those of row i and centre j are wrong by at most the sum of the i-th of the second result and the j-th of
        the third. ``wide`` computes in float64.
        """

    def direct(self, rows: Self) -> Tensor:
        """Float64 squared distances ``(n,)`` to ``rows`` one by one, with the arithmetic of ``ties``."""


G = TypeVar("G", bound=Geometry)


class Points:
    """Rows of a matrix under the squared Euclidean distance.

    Storage stays as it is given (float16 or bfloat16 for large pools); blocks are widened to float32 on the way.
    Products use rows relative to ``shift``, which makes them round less; exact distances use the rows as stored.

    Attributes:
        n: Number of rows.
        device: Where the rows are.
        norms: ``(n,)`` squared norms of the shifted rows.
    """

    EPS = 4.0

    def __init__(
        self,
        x: Tensor,
        shift: Tensor | None = None,
        norms: Tensor | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.x = x
        self.shift = shift
        self.n = x.shape[0]
        self.device = x.device
        self.dtype = dtype or compute_dtype(x)
        if norms is None:
            norms = torch.empty(self.n, dtype=self.dtype, device=x.device)
            for low, high in row_blocks(self.n, x.shape[1], x.device):
                norms[low:high] = self.rows(low, high).square().sum(1)
        self.norms = norms

    @classmethod
    def centred(cls, x: Tensor) -> Points:
        """Make points whose mean is moved to the origin: less cancellation in ``|x|^2 - 2xy + |y|^2``."""
        return cls(x, shift=column_mean(x).to(compute_dtype(x)))

    def rows(self, low: int, high: int) -> Tensor:
        """Rows ``low..high`` in the computing type, shifted."""
        return self._shifted(self.x[low:high], self.dtype)

    def _shifted(self, block: Tensor, dtype: torch.dtype) -> Tensor:
        if self.shift is None:
            return block.to(dtype)
        wide = torch.promote_types(block.dtype, dtype)
        return (block.to(wide) - self.shift.to(wide)).to(dtype)

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""
        return self.x.shape[1] + centres

    def take(self, index: Tensor) -> Points:
        """Copy some rows out."""
        return Points(self.x[index], self.shift, self.norms[index], self.dtype)

    def append(self, other: Points) -> Points:
        """Put the rows of another small slice behind these."""
        x, norms = torch.cat([self.x, other.x]), torch.cat([self.norms, other.norms])
        return Points(x, self.shift, norms, self.dtype)

    def prepare(self) -> Points:
        """Nothing has to be computed."""
        return self

    def nearest(self, low: int, high: int, centres: Points) -> tuple[Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, and by how much it may be wrong."""
        norms = self.norms[low:high]
        # The norm of the row does not change which centre is nearest: add it after the reduction.
        values = torch.addmm(centres.norms, self.rows(low, high), centres.rows(0, centres.n).T, alpha=-2).amin(1)
        values = (values + norms).clamp_(min=0)
        return values, slack(values, norms, self.EPS)

    def nearest_of(self, rows: Tensor, centres: Points) -> tuple[Tensor, Tensor]:
        """The same for some rows."""
        return self.take(rows).nearest(0, rows.numel(), centres)

    def cross(self, centres: Points, wide: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Rounded squared distances ``(n, k)`` of a slice, and the bounds of their errors."""
        dtype = torch.float64 if wide else self.dtype
        x, y = self._shifted(self.x, dtype), centres._shifted(centres.x, dtype)
        own, theirs = x.square().sum(1), y.square().sum(1)
        unit = self.EPS * torch.finfo(dtype).eps
        return torch.addmm(theirs, x, y.T, alpha=-2).add_(own[:, None]), unit * own, unit * theirs

    def direct(self, rows: Points) -> Tensor:
        """Float64 squared distances of own rows to ``rows`` one by one, by differences."""
        return ties.squared_distance(self.x, rows.x)


class GradientEmbeddings:
    r"""Rows :math:`g = (p - e_{\hat y}) \otimes h` under the squared Euclidean distance, never written out.

    :math:`\langle g, g' \rangle = \langle r, r' \rangle \langle h, h' \rangle` for
    :math:`g = r \otimes h`, so two small products replace one of width ``C * D``.

    Attributes:
        n: Number of rows.
        device: Where the rows are.
        norms: ``(n,)`` squared norms :math:`|r|^2 |h|^2`.
    """

    EPS = 8.0

    def __init__(self, logits: Tensor, x: Tensor, norms: Tensor | None = None) -> None:
        self.logits = logits
        self.x = x
        self.n = x.shape[0]
        self.device = x.device
        self.dtype = torch.float64 if torch.float64 in (x.dtype, logits.dtype) else compute_dtype(x)
        self._exact: tuple[Tensor, Tensor] | None = None
        if norms is None:
            norms = torch.empty(self.n, dtype=self.dtype, device=x.device)
            for low, high in row_blocks(self.n, self.width(0), x.device):
                r, h = self._rows(slice(low, high))
                norms[low:high] = r.square().sum(1) * h.square().sum(1)
        self.norms = norms

    def _rows(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        """The two factors of some rows in the computing type."""
        return softmax_residual(self.logits[rows].to(self.dtype)), self.x[rows].to(self.dtype)

    def exact(self) -> tuple[Tensor, Tensor]:
        """The two factors of a slice in float64, with the arithmetic of ``ties``."""
        if self._exact is None:
            top = self.logits.argmax(1, keepdim=True)
            others = ties.exp(ties.log_softmax(self.logits)).scatter_(1, top, 0.0)
            self._exact = others.scatter_(1, top, -ties.row_sum(others)[:, None]), self.x.double()
        return self._exact

    def exact_norms(self) -> Tensor:
        """Squared norms of a slice, ``(n,)`` float64, with the arithmetic of ``ties``."""
        r, h = self.exact()
        return ties.dot(r, r) * ties.dot(h, h)

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""
        return self.x.shape[1] + 3 * self.logits.shape[1] + 2 * centres

    def take(self, index: Tensor) -> GradientEmbeddings:
        """Copy some rows out."""
        out = GradientEmbeddings(self.logits[index], self.x[index], self.norms[index])
        if self._exact is not None:
            out._exact = self._exact[0][index], self._exact[1][index]
        return out

    def append(self, other: GradientEmbeddings) -> GradientEmbeddings:
        """Put the rows of another small slice behind these."""
        pairs = zip((self.logits, self.x, self.norms), (other.logits, other.x, other.norms), strict=True)
        out = GradientEmbeddings(*(torch.cat(pair) for pair in pairs))
        if self._exact is not None and other._exact is not None:
            r, h = (torch.cat(pair) for pair in zip(self._exact, other._exact, strict=True))
            out._exact = r, h
        return out

    def prepare(self) -> GradientEmbeddings:
        """Compute the factors in float64 once; slices of the slice inherit them."""
        self.exact()
        return self

    def nearest(self, low: int, high: int, centres: GradientEmbeddings) -> tuple[Tensor, Tensor]:
        """For each row of a block: squared distance to the nearest centre, and by how much it may be wrong."""
        r, h = self._rows(slice(low, high))
        cr, ch = centres._rows(slice(None))
        norms = self.norms[low:high]
        inner = (r @ cr.T).mul_(h @ ch.T)
        values = torch.add(centres.norms, inner, alpha=-2, out=inner).amin(1)
        values = (values + norms).clamp_(min=0)
        return values, slack(values, norms, self.EPS + _confidence(r))

    def nearest_of(self, rows: Tensor, centres: GradientEmbeddings) -> tuple[Tensor, Tensor]:
        """The same for some rows."""
        return self.take(rows).nearest(0, rows.numel(), centres)

    def cross(self, centres: GradientEmbeddings, wide: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Rounded squared distances ``(n, k)`` of a slice, and the bounds of their errors."""
        (r, h), (cr, ch) = ((part.exact() if wide else part._rows(slice(None))) for part in (self, centres))
        own, theirs = r.square().sum(1) * h.square().sum(1), cr.square().sum(1) * ch.square().sum(1)
        inner = (r @ cr.T).mul_(h @ ch.T)
        unit = torch.finfo(inner.dtype).eps
        own_error, their_error = (unit * (self.EPS + _confidence(part)) for part in (r, cr))
        return inner.mul_(-2).add_(theirs).add_(own[:, None]), own_error * own, their_error * theirs

    def direct(self, rows: GradientEmbeddings) -> Tensor:
        r"""Float64 squared distances one by one.

        :math:`|r \otimes h - r' \otimes h'|^2` is written with the differences :math:`r - r'` and
        :math:`h - h'`, so equal rows give exactly zero.
        """
        (r, h), (r2, h2) = self.exact(), rows.exact()
        dr, dh = r - r2, h - h2
        out = ties.dot(dr, dr) * ties.dot(h, h) + ties.dot(r2, r2) * ties.dot(dh, dh)
        return (out + 2 * ties.dot(dr, r2) * ties.dot(h, dh)).clamp_(min=0)


def largest_gradient(
    space: GradientEmbeddings, norms: Tensor, take: Callable[[Tensor], GradientEmbeddings]
) -> int:
    """Row of the largest gradient, the lowest of equal ones.

    Args:
        space: Says what the norms were computed from.
        norms: ``(n,)`` rounded squared norms of all rows, not all 0.
        take: Copies some rows out.

    Returns:
        The row.
    """

    def exact(rows: Tensor) -> Tensor:
        blocks = row_blocks(rows.numel(), 4 * space.width(0), rows.device)
        return torch.cat([take(rows[low:high]).exact_norms() for low, high in blocks])

    # Even the norm of a confident row is known to a part in 10,000, and a few more contenders cost little.
    return largest_checked(norms.double(), 256 * torch.finfo(space.dtype).eps * norms.double(), exact)[0]


def _confidence(residual: Tensor) -> Tensor:
    """Units of precision that a softmax residual lacks: the logarithm of a small probability rounds."""
    certain = -residual.amin(1).clamp_(max=-torch.finfo(residual.dtype).tiny)
    return 4 * (math.log(residual.shape[1] + 1) - certain.log_())


def softmax_residual(logits: Tensor) -> Tensor:
    """Return ``softmax(logits) - onehot(argmax)``, ``(N, C)``.

    The entry of the predicted class is minus the sum of the others, which keeps its digits when the prediction
    is so certain that 1 - p rounds to zero.
    """
    top = logits.argmax(1, keepdim=True)
    others = torch.log_softmax(logits, dim=1).exp_().scatter_(1, top, 0.0)
    return others.scatter_(1, top, -others.sum(1, keepdim=True))


def slack(value: Tensor, norms: Tensor, units: float | Tensor) -> Tensor:
    r"""By how much the distance to the nearest centre may be wrong when products round.

    The distance of one pair is wrong by at most :math:`u (|x|^2 + |c|^2)`, and of centres that matter
    :math:`|c|^2 \le 2 |x|^2 + 2 d`: no far centre spoils what is known about rows near the others.

    Args:
        value: Rounded squared distances.
        norms: Squared norms of the rows.
        units: The bound of one pair, in units of the type's precision; a number or one per row.

    Returns:
        The bounds, in the type of ``value``.
    """
    return (units * torch.finfo(value.dtype).eps) * (3 * norms + 2 * value)


def closest(rows: G, centres: G, wide: bool = False) -> Tensor:
    """Exact squared distances of the rows of a slice to the nearest of some centres.

    One product finds for each row the centres that may be its nearest; their distances are computed one by one.

    Args:
        rows: A slice of ``m`` rows.
        centres: A slice.
        wide: Whether the product is in float64; it is when float32 leaves too many pairs.

    Returns:
        ``(m,)`` float64, by the arithmetic of ``ties``.
    """
    out = torch.full((rows.n,), torch.inf, dtype=torch.float64, device=rows.device)
    for low, high in row_blocks(rows.n, 3 * centres.n + rows.width(0), rows.device):
        block = rows.take(torch.arange(low, high, device=rows.device)).prepare()
        value, own, theirs = block.cross(centres, wide)
        limit = (value + theirs).amin(1) + 2 * own
        near = (value - theirs) <= limit[:, None]
        pairs = near.nonzero()
        if pairs.shape[0] > _FEW_PAIRS * block.n and not wide and rows.dtype != torch.float64:
            out[low:high] = closest(block, centres, wide=True)
            continue
        row, centre = pairs.unbind(1)
        found = out[low:high]
        if row.numel() > _FEW_PAIRS * block.n:
            # Nothing is nearer than a repetition: rows that have one need no further pair.
            found.copy_(block.direct(centres.take(value.argmin(1))))
            left = found[row] > 0
            row, centre = row[left], centre[left]
        for a, b in row_blocks(row.numel(), 4 * rows.width(0), rows.device):
            one = block.take(row[a:b]).direct(centres.take(centre[a:b]))
            found.scatter_reduce_(0, row[a:b], one, "amin")
    return out


def exact_values(space: G, index: Tensor, centres: G) -> Tensor:
    """Exact squared distances of some rows of a space to the nearest centre, ``(m,)`` float64, in blocks."""
    out = torch.empty(index.numel(), dtype=torch.float64, device=space.device)
    for low, high in row_blocks(index.numel(), space.width(centres.n), space.device):
        out[low:high] = closest(space.take(index[low:high]), centres)
    return out


def nearest_to_mean(
    norms: Tensor, shift: Tensor, mean: Tensor, exact: Callable[[Tensor], Tensor], units: float = Points.EPS
) -> int:
    """Row nearest to the mean of all, the lowest of equally near ones.

    Args:
        norms: ``(n,)`` rounded squared norms of the rows relative to ``shift``.
        shift: ``(d,)`` the mean in the computing type.
        mean: ``(d,)`` the mean in float64.
        exact: Maps rows to their exact squared distances from the mean.
        units: See :func:`slack`.

    Returns:
        The row.
    """
    norms = norms.double()
    away = float((shift.double() - mean).square().sum()) ** 0.5
    eps = torch.finfo(shift.dtype).eps
    rounding = units * eps * norms + 2 * norms.sqrt() * away + away**2
    return largest_checked(-norms, rounding, lambda rows: -exact(rows))[0]


def distances_from(x: Tensor, rows: Tensor, point: Tensor) -> Tensor:
    """Exact squared distances of some rows of a matrix from one point, ``(m,)`` float64, in blocks."""
    out = torch.empty(rows.numel(), dtype=torch.float64, device=x.device)
    for low, high in row_blocks(rows.numel(), 4 * x.shape[1], x.device):
        out[low:high] = ties.squared_distance(x[rows[low:high]], point[None])
    return out


def column_mean(x: Tensor) -> Tensor:
    """Mean of the columns of ``(n, d)`` in float64."""
    return column_sum(x) / x.shape[0]


def column_sum(x: Tensor) -> Tensor:
    """Sum of the columns of ``(n, d)`` in float64."""
    total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
    for low, high in row_blocks(x.shape[0], 2 * x.shape[1], x.device):
        total += x[low:high].sum(0, dtype=torch.float64)
    return total
