"""CDAL: k-center over predicted class distributions."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.kernels import ties
from autoal.kernels.checks import Progress, check_count, check_logits, compute_dtype, row_blocks
from autoal.kernels.greedy import farthest_first
from autoal.kernels.precision import full_precision
from autoal.kernels.ties import largest_checked
from autoal.kernels.types import Picks

_FLOOR = -1e30
_EPS = 4.0


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
        self._exact: tuple[Tensor, Tensor] | None = None

    def _rows(self, rows: slice, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Probabilities and finite log-probabilities."""
        logp = torch.log_softmax(self.logits[rows].to(dtype), dim=1).clamp_(min=_FLOOR)
        return logp.exp(), logp

    def exact(self) -> tuple[Tensor, Tensor]:
        """Probabilities and finite log-probabilities of a slice in float64, with the arithmetic of ``ties``."""
        if self._exact is None:
            logp = ties.log_softmax(self.logits).clamp_(min=_FLOOR)
            self._exact = ties.exp(logp), logp
        return self._exact

    def width(self, centres: int) -> int:
        """Numbers per row that ``nearest`` needs as temporaries for that many centres."""
        return 5 * self.logits.shape[1] + centres

    def take(self, index: Tensor) -> Distributions:
        """Copy some rows out."""
        out = Distributions(self.logits[index])
        if self._exact is not None:
            out._exact = self._exact[0][index], self._exact[1][index]
        return out

    def append(self, other: Distributions) -> Distributions:
        """Put the rows of another small slice behind these."""
        out = Distributions(torch.cat([self.logits, other.logits]))
        if self._exact is not None and other._exact is not None:
            p, logp = (torch.cat(pair) for pair in zip(self._exact, other._exact, strict=True))
            out._exact = p, logp
        return out

    def prepare(self) -> Distributions:
        """Compute probabilities in float64 once; slices of the slice inherit them."""
        self.exact()
        return self

    def nearest(self, low: int, high: int, centres: Distributions) -> tuple[Tensor, Tensor]:
        """For each row of a block: divergence to the nearest centre, and by how much it may be wrong."""
        p, logp = self._rows(slice(low, high), self.dtype)
        q, logq = centres._rows(slice(None), self.dtype)
        own, theirs = (p * logp).sum(1), (q * logq).sum(1)
        rows, columns = torch.cat([p, logp], 1), torch.cat([logq, q], 1)
        values = torch.addmm(theirs, rows, columns.T, alpha=-1).amin(1)
        bound = (_EPS * torch.finfo(self.dtype).eps) * (logp.abs().amax(1) + logq.abs().amax())
        return ((values + own) / 2).clamp_(min=0), bound

    def nearest_of(self, rows: Tensor, centres: Distributions) -> tuple[Tensor, Tensor]:
        """The same for some rows."""
        return self.take(rows).nearest(0, rows.numel(), centres)

    def cross(self, centres: Distributions, wide: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Rounded divergences ``(n, k)`` of a slice, and the bounds of their errors."""
        (p, logp), (q, logq) = (
            (part.exact() if wide else part._rows(slice(None), self.dtype)) for part in (self, centres)
        )
        value = torch.addmm((q * logq).sum(1), torch.cat([p, logp], 1), torch.cat([logq, q], 1).T, alpha=-1)
        value = value.add_((p * logp).sum(1)[:, None]).mul_(0.5)
        unit = _EPS * torch.finfo(value.dtype).eps
        return value, unit * logp.abs().amax(1), unit * logq.abs().amax(1)

    def direct(self, rows: Distributions) -> Tensor:
        """Float64 divergences one by one, by differences."""
        (p, logp), (q, logq) = self.exact(), rows.exact()
        return ties.dot(p - q, logp - logq).clamp_(min=0) * 0.5


@full_precision()
def cdal(
    logits: Tensor,
    n: int,
    labelled_logits: Tensor | None = None,
    cache_size: int = 512,
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
        cache_size: Samples whose divergences are kept exact between passes; changes speed, not the picks.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the divergence (nats) to the nearest centre when the sample was chosen (for a first
        pick without labelled samples, the largest divergence of any sample from it). Logs ``passes`` and
        ``radius``, the divergence of the last pick.

    Raises:
        AutoALError: If shapes, values or n are not usable.

    Example:
        >>> import torch
        >>> cdal(torch.tensor([[5.0, 0.0], [4.9, 0.0], [0.0, 5.0]]), 1, torch.tensor([[5.0, 0.0]])).index
        tensor([2])
    """
    check_logits("logits", logits)
    check_count(n, logits.shape[0])
    space = Distributions(logits)
    centres = None
    if labelled_logits is not None and labelled_logits.shape[0] > 0:
        check_logits("labelled_logits", labelled_logits, columns=logits.shape[1])
        centres = Distributions(labelled_logits.to(logits.device))
    first = _most_uncertain(logits) if centres is None else None
    result = farthest_first(space, n, centres, first, cache_size, progress)
    log = {"passes": float(result.passes), "radius": float(result.distance[-1])}
    return Picks(result.index.to(logits.device), result.distance.to(logits.device), log)


def _most_uncertain(logits: Tensor) -> int:
    """Row of the highest entropy, the lowest of equal ones."""
    space = Distributions(logits)
    value = torch.empty(space.n, dtype=space.dtype, device=space.device)
    rounding = torch.empty_like(value)
    for low, high in row_blocks(space.n, 4 * logits.shape[1], space.device):
        p, logp = space._rows(slice(low, high), space.dtype)
        value[low:high] = -(p * logp).sum(1)
        rounding[low:high] = (_EPS * torch.finfo(space.dtype).eps) * logp.abs().amax(1)
    return largest_checked(value, rounding, lambda rows: _exact_entropy(logits, rows))[0]


def _exact_entropy(logits: Tensor, rows: Tensor) -> Tensor:
    """Entropy of some rows with the arithmetic of ``ties``."""
    out = torch.empty(rows.numel(), dtype=torch.float64, device=logits.device)
    for low, high in row_blocks(rows.numel(), 8 * logits.shape[1], logits.device):
        p, logp = Distributions(logits[rows[low:high]]).exact()
        out[low:high] = -ties.dot(p, logp)
    return out
