"""What a selection kernel returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Picks(NamedTuple):
    """The rows that a kernel chose.

    Attributes:
        index: ``(n,)`` int64, unique rows of the pool in the order in which they were chosen.
        score: ``(n,)`` float, one number per pick, higher means more wanted. What it measures is stated by
            the kernel; it is always finite.
        log: Named scalars about the selection that are worth a column in a results table.

    Example:
        >>> import torch
        >>> from autoal.kernels import kcenter
        >>> picks = kcenter(torch.tensor([[0.0], [1.0], [9.0]]), 2)
        >>> picks.index, sorted(picks.log)
        (tensor([1, 2]), ['passes', 'radius'])
    """

    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which nobody calls on this
    score: Tensor
    log: dict[str, float]
