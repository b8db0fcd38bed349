"""Greedy maximisation of a submodular function that evaluates few gains: old gains are bounds of new ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from autoal.kernels.checks import Progress

TIE = 1e-9
"""Relative difference of gains up to which two samples are equally wanted."""

_FIRST = 32


class Greedy:
    """Result of :func:`lazy_greedy`.

    Attributes:
        index: ``(n,)`` int64 unique rows in order of choice, on the CPU.
        gain: ``(n,)`` float64 gain of each pick when it was chosen.
        evaluations: How many gains were computed.
        filled: How many of the last rows were taken because no row had any gain left.
    """

    def __init__(self, n: int) -> None:
        self.index = torch.empty(n, dtype=torch.int64)
        self.gain = torch.zeros(n, dtype=torch.float64)
        self.evaluations = 0
        self.filled = 0


def lazy_greedy(
    bounds: Tensor,
    n: int,
    gain: Callable[[Tensor], Tensor],
    choose: Callable[[int], None],
    progress: Progress | None = None,
) -> Greedy:
    """Choose ``n`` rows, each with the largest gain given the rows before it.

    Gains must never rise as rows are chosen (the function is submodular) nor be negative (it is monotone).

    Args:
        bounds: ``(N,)`` float64 upper bounds of the first gains; used up.
        n: Number of rows, 1 to N.
        gain: Maps rows ``(m,)`` to their gains ``(m,)`` float64, given what was chosen.
        choose: Told each chosen row.
        progress: Called with (picks made, n).

    Returns:
        The picks. Of equal gains the lower row is chosen; when no gain is left the lowest rows are.

    Example:
        >>> import torch
        >>> value = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64)
        >>> lazy_greedy(value.clone(), 2, lambda rows: value[rows], lambda row: None).index
        tensor([1, 2])
    """
    out = Greedy(n)
    free = torch.ones(len(bounds), dtype=torch.bool, device=bounds.device)
    nothing = TIE * float(bounds.max().clamp(min=0))
    for step in range(n):
        row = _next(bounds, free, gain, nothing, out)
        if row < 0:
            out.filled = n - step
            out.index[step:] = free.nonzero().squeeze(1)[: n - step].cpu()
            break
        out.index[step], out.gain[step] = row, bounds[row]
        free[row] = False
        choose(row)
        if progress is not None:
            progress(step + 1, n)
    return out


def _next(bounds: Tensor, free: Tensor, gain: Callable[[Tensor], Tensor], nothing: float, out: Greedy) -> int:
    """The free row of the largest gain, or -1 if no gain is left; bounds become gains on the way."""
    stale = bounds.masked_fill(~free, -torch.inf)
    fresh = torch.zeros_like(free)
    best, count = -torch.inf, _FIRST
    while True:
        top = torch.topk(stale, min(count, len(stale)))
        rows = top.indices[top.values >= max(best - TIE * abs(best), nothing)]
        if rows.numel() == 0:
            break
        rows = torch.sort(rows).values
        value = gain(rows)
        out.evaluations += rows.numel()
        bounds[rows] = value
        stale[rows] = -torch.inf
        fresh[rows] = True
        best = max(best, float(value.max()))
        count *= 2
    if not best > nothing:
        return -1
    return int(((bounds >= best - TIE * abs(best)) & fresh).nonzero()[0])
