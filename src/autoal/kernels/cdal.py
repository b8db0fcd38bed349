"""CDAL: k-center over predicted class distributions."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.kernels.checks import Progress, check_count, check_logits, compute_dtype, row_blocks
from autoal.kernels.greedy import farthest_first
from autoal.kernels.precision import full_precision
from autoal.kernels.types import Picks

_FLOOR = -1e30


class Distributions:
    r"""Rows of logits under the symmetric Kullback-Leibler divergence of their softmax.

    :math:`d(p, q) = \tfrac12 KL(p\|q) + \tfrac12 KL(q\|p)
    = \tfrac12 (\langle p, \log p \rangle + \langle q, \log q \rangle
    - \langle p, \log q \rangle - \langle \log p, q \rangle)`: one product of width 2C for a block of pairs.

    Attributes:
        n: Number of rows.
        device: Where the rows are.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        self.n = logits.shape[0]
        self.device = logits.device
        self.dtype = compute_dtype(logits)

    def _rows(self, rows: slice, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Probabilities and finite log-probabilities."""
        logp = torch.log_softmax(self.logits[rows].to(dtype), dim=1).clamp_(min=_FLOOR)
        return logp.exp(), logp

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""
        return 5 * self.logits.shape[1] + centres

    def take(self, index: Tensor) -> Distributions:
        """Copy some rows out."""
        return Distributions(self.logits[index])

    def append(self, other: Distributions) -> Distributions:
        """Put the rows of another small slice behind these."""
        return Distributions(torch.cat([self.logits, other.logits]))

    def nearest(self, low: int, high: int, centres: Distributions) -> tuple[Tensor, Tensor, Tensor]:
        """For each row of a block: divergence to the nearest centre, which one, rounding bound."""
        p, logp = self._rows(slice(low, high), self.dtype)
        q, logq = centres._rows(slice(None), self.dtype)
        own, theirs = (p * logp).sum(1), (q * logq).sum(1)
        rows, columns = torch.cat([p, logp], 1), torch.cat([logq, q], 1)
        values, which = torch.addmm(theirs, rows, columns.T, alpha=-1).min(1)
        bound = (4 * torch.finfo(self.dtype).eps) * (logp.abs().amax(1) + logq.abs().amax())
        return ((values + own) / 2).clamp_(min=0), which, bound

    def direct(self, rows: Distributions) -> Tensor:
        """Float64 divergences one by one, by differences."""
        p, logp = self._rows(slice(None), torch.float64)
        q, logq = rows._rows(slice(None), torch.float64)
        return ((p - q) * (logp - logq)).sum(1) / 2

    def square(self) -> Tensor:
        """The ``(n, n)`` float64 matrix of divergences of a small slice."""
        p, logp = self._rows(slice(None), torch.float64)
        own = (p * logp).sum(1)
        cross = p @ logp.T
        return ((own[:, None] + own - cross - cross.T) / 2).clamp_(min=0).fill_diagonal_(0)


@full_precision()
def cdal(
    logits: Tensor,
    n: int,
    labelled_logits: Tensor | None = None,
    window: int = 1024,
    progress: Progress | None = None,
) -> Picks:
    r"""Pick the samples whose predicted class distributions are farthest from labelled and picked ones.

    Agarwal, Arora, Anand, Arora, *Contextual Diversity for Active Learning*, ECCV 2020, in its core-set form for
    classification (CDAL-CS): greedy k-center under :math:`\tfrac12 KL(p\|q) + \tfrac12 KL(q\|p)`. The divergence
    is not a metric, but greedy k-center only needs that distances to the nearest centre shrink.

    Args:
        logits: ``(N, C)`` logits of the pool; the softmax is applied once, here.
        n: Number of picks, 1 to N.
        labelled_logits: ``(L, C)`` logits of the labelled samples, or ``None``; then the first pick is the sample
            of highest entropy.
        window: Samples whose divergences are kept exact between passes; changes speed, not the picks.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the divergence (nats) to the nearest centre when the sample was chosen (for a first
        pick without labelled samples, the largest divergence of any sample from it). Logs ``passes`` and
        ``radius``, the divergence of the last pick.

    Raises:
        AutoALError: If shapes, values or n are not usable.
    """
    check_logits("logits", logits)
    check_count(n, logits.shape[0])
    space = Distributions(logits)
    centres = None
    if labelled_logits is not None and labelled_logits.shape[0] > 0:
        check_logits("labelled_logits", labelled_logits, columns=logits.shape[1])
        centres = Distributions(labelled_logits.to(logits.device))
    first = int(_entropy(logits).argmax()) if centres is None else None
    result = farthest_first(space, n, centres, first, window, progress)
    log = {"passes": float(result.passes), "radius": float(result.distance[-1])}
    return Picks(result.index.to(logits.device), result.distance.to(logits.device), log)


def _entropy(logits: Tensor) -> Tensor:
    """Entropy of each row."""
    space = Distributions(logits)
    out = torch.empty(space.n, dtype=space.dtype, device=space.device)
    for low, high in row_blocks(space.n, 4 * logits.shape[1], space.device):
        p, logp = space._rows(slice(low, high), space.dtype)
        out[low:high] = -(p * logp).sum(1)
    return out
