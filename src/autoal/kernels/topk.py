"""The n best rows of a score, with one rule for ties."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.errors import AutoALError
from autoal.kernels.arrays import accepts_arrays
from autoal.kernels.checks import check_count, check_shape


@accepts_arrays
def top_n(score: Tensor, n: int) -> Tensor:
    """Return the rows of the ``n`` highest scores, best first.

    Equal scores are ordered by row. Pools are always sorted by sample id, so this is the tie-break by id that
    makes 1, 2 or 4 processes pick the same samples.

    Args:
        score: ``(N,)`` float, higher is better. Infinity is allowed.
        n: Number of rows, between 1 and N.

    Returns:
        ``(n,)`` int64 rows by descending score.

    Raises:
        AutoALError: If the score is not a vector or holds NaN, or n does not fit.

    Example:
        >>> import torch
        >>> top_n(torch.tensor([1.0, 3.0, 3.0, 2.0]), 3)
        tensor([1, 2, 3])
    """
    check_shape("score", score, None)
    check_count(n, score.shape[0])
    if score.is_floating_point() and bool(torch.isnan(score).any()):
        row = int(torch.isnan(score).nonzero()[0])
        raise AutoALError(f"score is NaN in row {row}: a sample without a score cannot be ranked.")
    return torch.sort(score, descending=True, stable=True).indices[:n]
