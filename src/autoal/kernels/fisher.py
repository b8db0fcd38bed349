r"""Greedy designs over Fisher information: what adding or removing one sample does to :math:`tr(M^{-1} \bar F)`.

A sample's information is :math:`F_x = V_x^\top V_x` with :math:`V_x = R_x \otimes z_x`, ``R`` being
r x C and small. Neither V nor F is ever written out for the pool. With :math:`g = V M^{-1} V^\top` and
:math:`h = V M^{-1} \bar F M^{-1} V^\top` (r x r per sample), adding x lowers :math:`tr(M^{-1} \bar F)` by
:math:`tr(h (I + g)^{-1})`, and one product per pick keeps g and h of all samples up to date.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.kernels.checks import row_blocks

TIE = 1e-9
"""Relative difference of gains up to which two samples are equally wanted."""


class Design:
    """The information matrix M of what is chosen, its inverse, and the pool's mean information.

    Attributes:
        matrix: ``(P, P)`` float64, M.
        inverse: ``(P, P)`` float64.
        target: ``(P, P)`` float64, the mean information that a design must cover.
    """

    def __init__(self, matrix: Tensor, target: Tensor, lam: float) -> None:
        self.matrix = matrix
        self.target = target
        self._lam = lam
        self.inverse = matrix
        self.refresh()

    def refresh(self) -> None:
        """Invert M afresh, which ends the drift of many small updates."""
        factor, failed = torch.linalg.cholesky_ex(self.matrix)
        if not bool(failed):
            self.inverse = torch.cholesky_inverse(factor)
            return
        # Features of very different size: rounding may leave M indefinite, but no eigenvalue is below the prior's.
        values, vectors = torch.linalg.eigh(self.matrix)
        self.inverse = (vectors / values.clamp(min=self._lam)) @ vectors.T

    def update(self, rows: Tensor, g: Tensor, sign: float) -> tuple[Tensor, Tensor, Tensor]:
        r"""Add (``sign=1``) or remove (``sign=-1``) one sample.

        Args:
            rows: ``(r, P)`` float64, V of the sample.
            g: ``(r, r)``, :math:`V M^{-1} V^\top`.
            sign: 1 or -1.

        Returns:
            W ``(P, r)`` with :math:`M_{new}^{-1} = M^{-1} \mp W W^\top`, then :math:`M^{-1} \bar F W` with the old
            M, and :math:`W^\top \bar F W` ``(r, r)``.
        """
        eye = torch.eye(len(g), dtype=g.dtype, device=g.device)
        factor = _root(eye + sign * g)
        right = self.inverse @ rows.T
        w = torch.linalg.solve_triangular(factor, right.T, upper=False).T
        cover = self.target @ w
        y, inner = self.inverse @ cover, w.T @ cover
        self.inverse = torch.addmm(self.inverse, w, w.T, alpha=-sign)
        self.matrix = torch.addmm(self.matrix, rows.T, rows, alpha=sign)
        return w, y, inner


class Informed:
    """Samples with their g and h under a design, all in float64.

    Attributes:
        n: Number of samples.
        g: ``(n, r, r)``.
        h: ``(n, r, r)``.
    """

    def __init__(self, z: Tensor, factor: Tensor, design: Design) -> None:
        self.z = z
        self.factor = factor
        self.design = design
        self.n, rank, _ = factor.shape
        self.g = torch.empty(self.n, rank, rank, dtype=torch.float64, device=z.device)
        self.h = torch.empty_like(self.g)
        self.refresh()

    def refresh(self) -> None:
        """Compute g and h from the design, without the updates."""
        inverse = self.design.inverse
        middle = inverse @ self.design.target @ inverse
        width = 3 * self.factor.shape[1] * len(inverse)
        for low, high in row_blocks(self.n, width, self.z.device):
            rows = self.rows(torch.arange(low, high, device=self.z.device))
            self.g[low:high] = (rows @ inverse) @ rows.transpose(1, 2)
            self.h[low:high] = (rows @ middle) @ rows.transpose(1, 2)

    def rows(self, index: Tensor) -> Tensor:
        """Write V of some samples out, ``(m, r, P)`` float64."""
        z = self.z[index].double()
        rows: Tensor = (self.factor[index].unsqueeze(3) * z[:, None, None, :]).flatten(2)
        return rows

    def gains(self, sign: float) -> Tensor:
        r"""What :math:`tr(M^{-1} \bar F)` loses when a sample is added, or minus what it wins when it is removed.

        Args:
            sign: 1 for adding, -1 for removing.

        Returns:
            ``(n,)`` float64, higher is better.
        """
        if self.g.shape[1] == 1:
            # The floor bounds a removal that rounding makes look impossible.
            return sign * (self.h / (1 + sign * self.g).clamp(min=1e-15)).flatten()
        eye = torch.eye(self.g.shape[1], dtype=self.g.dtype, device=self.g.device)
        solved = torch.cholesky_solve(self.h, _root(eye + sign * self.g))
        return sign * solved.diagonal(dim1=1, dim2=2).sum(1)

    def update(self, row: int, sign: float) -> None:
        """Add or remove a sample and bring every g and h up to date."""
        rows = self.rows(torch.tensor([row], device=self.z.device))[0]
        w, y, inner = self.design.update(rows, self.g[row], sign)
        c, b = self._products(w, y)
        cross = c @ b.transpose(1, 2)
        self.g -= sign * (c @ c.transpose(1, 2))
        self.h += c @ inner @ c.transpose(1, 2) - sign * (cross + cross.transpose(1, 2))

    def _products(self, w: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """V W and V Y of every sample, ``(n, r, r)`` each."""
        classes, rank = self.factor.shape[2], w.shape[1]
        both = torch.cat([w, y], 1).view(classes, -1, 2 * rank)  # (C, D, 2r)
        table = both.permute(1, 0, 2).reshape(both.shape[1], -1)
        out = torch.empty(self.n, rank, 2 * rank, dtype=torch.float64, device=self.z.device)
        for low, high in row_blocks(self.n, 2 * (self.z.shape[1] + table.shape[1]), self.z.device):
            part = (self.z[low:high].double() @ table).view(high - low, classes, 2 * rank)
            out[low:high] = self.factor[low:high] @ part
        return out[..., :rank], out[..., rank:]


def _root(matrix: Tensor) -> Tensor:
    """Lower Cholesky factor of positive matrices whose smallest eigenvalue rounding may have swallowed."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if not bool(failed.any()):
        return factor
    values, vectors = torch.linalg.eigh(matrix)
    floor = 1e-15 * values.abs().amax(-1, keepdim=True).clamp(min=1.0)
    mended = (vectors * torch.maximum(values, floor).unsqueeze(-2)) @ vectors.transpose(-2, -1)
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    factor, _ = torch.linalg.cholesky_ex(mended + floor.unsqueeze(-1) * eye)
    return factor


def information(z: Tensor, factor: Tensor) -> Tensor:
    r"""Sum of :math:`V_x^\top V_x` over samples.

    Args:
        z: ``(N, D)`` features of any floating type.
        factor: ``(N, r, C)`` float64, the small factors.

    Returns:
        ``(C D, C D)`` float64.
    """
    classes, dim = factor.shape[2], z.shape[1]
    out = torch.zeros(classes, dim, classes, dim, dtype=torch.float64, device=z.device)
    for low, high in row_blocks(z.shape[0], 4 * dim, z.device):
        rows, small = z[low:high].double(), factor[low:high]
        inner = small.transpose(1, 2) @ small  # (m, C, C)
        for a in range(classes):
            for b in range(a + 1):
                block = rows.T @ (rows * inner[:, a, b, None])
                out[a, :, b, :] += block
                if a != b:
                    out[b, :, a, :] += block.T
    return out.view(classes * dim, classes * dim)
