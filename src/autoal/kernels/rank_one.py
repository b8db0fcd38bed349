r"""Gains of rank-one designs over a large pool: one product per pick, float64 only where rounding would decide.

For :math:`F_x = v v^\top` with :math:`v = a z` the numbers :math:`g = v^\top M^{-1} v` and
:math:`h = v^\top M^{-1} \bar F M^{-1} v` change after a pick by :math:`c = v^\top w` and
:math:`b = v^\top M^{-1} \bar F w`: one product of the features with two columns. It is made in the type of the
features, and a bound of its rounding is carried along for every row. Rows that the bound leaves in the running
are from then on *checked*: their products are made in float64. The picks are those of float64 arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

from autoal.kernels.checks import compute_dtype, row_blocks
from autoal.kernels.fisher import TIE, Design

_SAFETY = 8.0


class RankOne:
    """The pool's rows with their g and h under a design that grows.

    Attributes:
        n: Number of rows.
        checked: How many rows were ever computed in float64.
    """

    def __init__(self, z: Tensor, root: Tensor, design: Design) -> None:
        self.z = z
        self.n = z.shape[0]
        self.design = design
        self.dtype = compute_dtype(z)
        self._root = root.double()
        self._eps = _SAFETY * torch.finfo(self.dtype).eps
        self._norm = torch.empty(self.n, dtype=torch.float64, device=z.device)
        for low, high in row_blocks(self.n, 2 * z.shape[1], z.device):
            self._norm[low:high] = z[low:high].double().norm(dim=1)
        # Features are divided by a power of two, which is exact, so that no float32 product can overflow.
        self._unit = 2.0 ** float(torch.log2(self._norm.max().clamp(min=1e-30)).ceil())
        self._norm *= self._root
        self._g, self._h, self._eg, self._eh = torch.empty(4, self.n, dtype=torch.float64, device=z.device)
        self._rows = torch.empty(0, dtype=torch.int64, device=z.device)
        self._known = torch.zeros(self.n, dtype=torch.bool, device=z.device)
        self.checked = 0
        self.refresh()

    def refresh(self) -> None:
        """Compute g and h of all rows from the design, without the updates."""
        middle = self.design.inverse @ self.design.target @ self.design.inverse
        square = self._root.square()
        for matrix, value, error in (
            (self.design.inverse, self._g, self._eg),
            (middle, self._h, self._eh),
        ):
            largest = float(matrix.abs().max().clamp(min=1e-300))
            narrow = (matrix / largest).to(self.dtype)
            for low, high in row_blocks(self.n, 3 * self.z.shape[1], self.z.device):
                block = self.z[low:high].to(self.dtype) / self._unit
                value[low:high] = torch.linalg.vecdot(block @ narrow, block).double()
            value *= square * (largest * self._unit**2)
            value.clamp_(min=0)
            # The largest row sum bounds the spectral norm of a symmetric matrix.
            torch.mul(self._norm.square(), self._eps * float(matrix.abs().sum(1).max()), out=error)
        self._rows = self._rows[:0]
        self._known.zero_()

    def gains(self, sign: float) -> Tensor:
        """What each row lowers the criterion by when it is added, ``(n,)`` float64, up to rounding."""
        assert sign == 1.0
        value: Tensor = self._h / (1 + self._g)
        return value

    def gain(self, row: int) -> float:
        """The gain of one row."""
        return float(self._h[row] / (1 + self._g[row]))

    def best(self, value: Tensor, free: Tensor) -> Tensor:
        """The free rows of the largest gain, ascending; more than one if they are equal."""
        error = (self._eh + value * self._eg) / (1 + self._g - self._eg).clamp(min=1)
        least = float((value - error).masked_fill_(~free, -torch.inf).max())
        rows = (((value + error) >= least - TIE * abs(least)) & free).nonzero().squeeze(1)
        fresh = rows[~self._known[rows]]
        if fresh.numel():
            self._check(fresh)
        exact = self._h[rows] / (1 + self._g[rows])
        top = exact.max()
        tied: Tensor = rows[exact >= top - TIE * top]
        return tied

    def update(self, row: int, sign: float) -> None:
        """Add a row to the design and bring the others up to date."""
        assert sign == 1.0
        v = (self.z[row].double() * self._root[row]).unsqueeze(0)
        w, y, inner = self.design.update(v, self._g[row].reshape(1, 1), 1.0)
        w, y, cover = w.flatten(), y.flatten(), float(inner)
        c, b, lw, ly = self._products(w, y)
        # |c' - c| <= eps |v| |w|, and the same for b: first-order bounds of what the squares below inherit.
        dc, db = self._norm * (self._eps * lw), self._norm * (self._eps * ly)
        if self._rows.numel():
            c[self._rows], b[self._rows] = self._exact_products(w, y)
            dc[self._rows] = db[self._rows] = 0
        size = c.abs() + dc
        self._eg += 2 * size * dc
        self._eh += 2 * (size * db + (b.abs() + db) * dc) + 2 * cover * size * dc
        self._g.sub_(c.square()).clamp_(min=0)
        self._h.add_(c * (cover * c - 2 * b)).clamp_(min=0)

    def _products(self, w: Tensor, y: Tensor) -> tuple[Tensor, Tensor, float, float]:
        """Products v w and v y of every row in the type of the features, and the lengths of w and y."""
        lw, ly = float(w.norm().clamp(min=1e-300)), float(y.norm().clamp(min=1e-300))
        both = torch.stack([w / lw, y / ly]).to(self.dtype)
        out = torch.empty(2, self.n, dtype=torch.float64, device=self.z.device)
        if self.z.dtype == self.dtype:
            out.copy_(linear(self.z, both).T)
        else:
            for low, high in row_blocks(self.n, self.z.shape[1], self.z.device):
                out[:, low:high] = linear(self.z[low:high].to(self.dtype), both).T
        out *= self._root
        return out[0].mul_(lw), out[1].mul_(ly), lw, ly

    def _exact_products(self, w: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The same of the checked rows, in float64."""
        both, parts = torch.stack([w, y]), []
        for low, high in row_blocks(len(self._rows), 2 * self.z.shape[1], self.z.device):
            parts.append(linear(self.z[self._rows[low:high]].double(), both))
        c, b = (torch.cat(parts) * self._root[self._rows].unsqueeze(1)).unbind(1)
        return c, b

    def _check(self, rows: Tensor) -> None:
        """Compute g and h of some rows in float64, and keep doing so."""
        for low, high in row_blocks(len(rows), 8 * self.z.shape[1], self.z.device):
            part = rows[low:high]
            v = self.z[part].double() * self._root[part].unsqueeze(1)
            solved = v @ self.design.inverse
            self._g[part] = torch.linalg.vecdot(solved, v).clamp_(min=0)
            self._h[part] = torch.linalg.vecdot(solved @ self.design.target, solved).clamp_(min=0)
        self._eg[rows] = self._eh[rows] = 0
        self._known[rows] = True
        self._rows = torch.cat([self._rows, rows])
        self.checked += rows.numel()
