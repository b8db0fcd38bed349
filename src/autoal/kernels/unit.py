"""Rows of length one: what cosine distances are computed from."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.kernels.checks import row_blocks
from autoal.kernels.ties import row_sum


def unit_rows(x: Tensor) -> Tensor:
    """Divide each row by its length; a row of zeros stays as it is.

    Args:
        x: ``(N, D)`` features of any floating type.

    Returns:
        ``(N, D)`` in the type of ``x``, but at least float32; equal rows stay equal to the letter.

    Example:
        >>> import torch
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    out = torch.empty(x.shape, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32, device=x.device)
    for low, high in row_blocks(x.shape[0], 6 * x.shape[1], x.device):
        rows = x[low:high].double()
        rows = rows / rows.abs().amax(1, keepdim=True).clamp(min=1e-300)  # squares cannot underflow
        out[low:high] = rows / row_sum(rows.square()).sqrt().clamp(min=1e-300).unsqueeze(1)
    return out
