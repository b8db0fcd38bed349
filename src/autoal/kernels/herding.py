"""Weighted herding: the batch whose nearest members are most alike to everything else."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels.checks import (
    LARGEST,
    Progress,
    check_count,
    check_finite,
    check_matrix,
    check_shape,
)
from autoal.kernels.coverage import Coverage, farthest
from autoal.kernels.precision import full_precision
from autoal.kernels.rows import Kept, Rows
from autoal.kernels.similarity import Similarity, similarity
from autoal.kernels.ties import TIE
from autoal.kernels.types import Picks

_FIRST = 16
"""Stale bounds brought up to date at a time; quadrupled while a pick asks for more."""
_MOST = 1024
_CALL = 3e4
"""Kernel values whose evaluation takes as long as a call of its own."""
_EXACT = 16
"""Candidates whose gains are evaluated exactly at a time."""
_NOISE = 1e-13
"""Gains within this share of the largest gain of all are equal: they are differences of sums of that size."""


@full_precision()
def herding(
    features: Tensor,
    n: int,
    labelled: Tensor | None = None,
    weights: Tensor | None = None,
    bandwidth: float = 1.0,
    kernel: str | Similarity = "rbf",
    targets: int | None = None,
    generator: torch.Generator | None = None,
    normalise: bool = True,
    progress: Progress | None = None,
) -> Picks:
    r"""Maximise :math:`\sum_n w_n \max_{s \in S \cup L} k(z_n, z_s)` greedily over a batch S.

    Bae et al., *Generalized Coverage for More Robust Low-Budget Active Learning*, ECCV 2024 (MaxHerding, equal
    weights); Bae et al., *Uncertainty Herding*, ICLR 2025 (weights from uncertainty). With ``kernel="top_hat"`` it
    is ProbCover, with ``kernel="cosine"`` facility location.

    The picks are those of the plain greedy algorithm in float64. Because the objective is submodular, a gain that
    is out of date is an upper bound, and only the candidates whose bound is largest are looked at again; and what
    has to be evaluated again are the targets that the picks meanwhile have changed. Gains that agree within
    rounding count as equal; the lower row is taken. Memory beside the features is a few numbers per row.

    Args:
        features: ``(N, D)`` pool, any floating type; narrow ones are computed in float32, decisions in float64.
        n: Number of picks, 1 to N.
        labelled: ``(L, D)`` labelled samples, centres from the start; None or L = 0 for a cold start.
        weights: ``(N,)`` non-negative weights of the samples as targets; None for ones.
        bandwidth: The unit of distance h of the kernel.
        kernel: ``"rbf"``, ``"student_t"``, ``"laplace"``, ``"cosine"``, ``"top_hat"`` or a kernel object.
        targets: Take the sum over so many samples drawn at random instead of over all, for very large pools.
        generator: Draws the targets; needed only with ``targets``.
        normalise: Divide rows by their lengths first, as the papers do; a row of zeros stays.
        progress: Called with (picks made, n).

    Returns:
        The picks; the score is the gain at the moment of choice. When no candidate gains anything any more, the
        rest is filled with the samples farthest from all centres (score 0). Logs ``evaluations`` (kernel values
        computed, in units of one candidate against all targets), ``coverage`` (the objective over the sum of the
        weights), ``filled`` and, with ``targets``, their number and ``target_error``: half the width of the
        interval that holds the mean coverage of all N candidates together with probability 0.95 (Hoeffding).

    Raises:
        AutoALError: If shapes, values, n, the bandwidth or the kernel are not usable.

    Example:
        >>> import torch
        >>> herding(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.0], [0.0, 1.0]]), 2).index
        tensor([1, 3])
    """
    check_shape("features", features, None, None)
    return sharded_herding(
        features, features.shape[0], n, World(), labelled, weights, bandwidth, kernel, targets, generator,
        normalise, progress,
    )  # fmt: skip


@full_precision()
def sharded_herding(
    mine: Tensor,
    n_rows: int,
    n: int,
    world: World,
    labelled: Tensor | None = None,
    weights: Tensor | None = None,
    bandwidth: float = 1.0,
    kernel: str | Similarity = "rbf",
    targets: int | None = None,
    generator: torch.Generator | None = None,
    normalise: bool = True,
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Picks:
    """Run :func:`herding` on features that are spread over ranks.

    Args:
        mine: This rank's rows of the pool, ``(N_rank, D)``.
        n_rows: Number N of rows over all ranks.
        n: Number of picks, 1 to N.
        world: This rank's place.
        labelled: ``(L, D)`` labelled samples, the same on every rank.
        weights: ``(N,)`` weights of all rows, the same on every rank, or None.
        bandwidth: See :func:`herding`.
        kernel: See :func:`herding`.
        targets: See :func:`herding`.
        generator: Draws the targets, in the same state on every rank.
        normalise: See :func:`herding`.
        progress: Called with (picks made, n).
        kept: Inner products of the pool's unit rows, which make the picks sooner and change none of them.

    Returns:
        The picks, on every rank; rows count over all ranks.

    Raises:
        AutoALError: If values, n, the bandwidth or the kernel are not usable.
    """
    check_finite("features", mine, LARGEST)
    check_count(n, n_rows)
    chosen = similarity(kernel, bandwidth)
    factor = _target_weights(weights, n_rows).to(mine.device)
    rows = Rows(mine, n_rows, world, normalise)
    places, log = _choose_targets(n_rows, targets, generator)
    if places is None:
        cover = Coverage(rows, chosen, world.shard(factor), None, n_rows, kept if normalise else None)
    else:
        own = world.shard(torch.arange(n_rows))
        here = torch.isin(own, places).nonzero().squeeze(1).to(mine.device)
        cover = Coverage(rows, chosen, world.shard(factor)[here], here, places.numel())
    if labelled is not None and labelled.shape[0] > 0:
        check_matrix("labelled", labelled, columns=mine.shape[1])
        labelled = labelled.to(mine.device)
        cover.start(labelled)
    else:
        labelled = None
    index, score = _lazy_greedy(cover, n, progress)
    done = index.numel()
    whole = float(world.sum(cover.weights.sum().reshape(1)))
    if done < n:
        index = torch.cat([index, farthest(rows, index, labelled, n - done)])
        score = torch.cat([score, torch.zeros(n - done, dtype=torch.float64, device=mine.device)])
    log |= {
        "evaluations": cover.pairs / cover.total,
        "coverage": cover.value() / whole if whole > 0 else 1.0,
        "filled": float(n - done),
    }
    return Picks(index, score, log)


def _target_weights(weights: Tensor | None, n_rows: int) -> Tensor:
    """Check the weights and return them as float64."""
    if weights is None:
        return torch.ones(n_rows, dtype=torch.float64)
    check_shape("weights", weights, n_rows)
    check_finite("weights", weights)
    lowest = float(weights.min())
    if lowest < 0:
        raise AutoALError(f"weights holds the negative value {lowest:g}.")
    return weights.double()


def _choose_targets(
    n_rows: int, targets: int | None, generator: torch.Generator | None
) -> tuple[Tensor | None, dict[str, float]]:
    """Draw the rows that stand for all as targets, ascending; None for all."""
    if targets is None or targets >= n_rows:
        return None, {}
    if targets < 1:
        raise AutoALError(f"targets={targets}: at least 1 sample has to be a target.")
    if generator is None:
        raise AutoALError(f"targets={targets} are drawn at random: give a generator.")
    places = torch.randperm(n_rows, generator=generator, device=generator.device)[:targets].cpu().sort().values
    error = math.sqrt(math.log(2 * n_rows / 0.05) / (2 * targets))
    return places, {"targets": float(targets), "target_error": error}


class _Bounds:
    """What is known of each candidate's gain: a number, after how many picks, and whether it is exact."""

    def __init__(self, cover: Coverage) -> None:
        self.cover = cover
        n, device = cover.rows.n, cover.x.device
        self.value = cover.first_gains()
        self.since = torch.zeros(n, dtype=torch.int32, device=device)
        self.exact = torch.zeros(n, dtype=torch.bool, device=device)

    def refresh(self, index: Tensor) -> None:
        """Bring candidates up to date, each the cheapest way; exact ones stay exact where that is cheap."""
        since = self.since[index].long()
        effort = self.cover.effort(since)
        # Together go candidates that are about equally far behind, as the changes since the oldest are read; a few
        # that are little behind are not worth a call of their own, and go with the exact ones.
        edge = _CALL / (self.cover.total * index.numel())
        self._fall(index, since, effort < edge, exact=True)
        low = edge
        while low <= 1:
            here = (effort >= low) & (effort < 2 * low)
            for exact in (False, True):
                self._fall(index, since, here & (self.exact[index] == exact), exact)
            low *= 2
        part = index[torch.isinf(effort)]
        if part.numel():
            fresh = self.cover.gains(part, exact=False)
            self.value[part] = torch.where(self.exact[part], fresh, torch.minimum(fresh, self.value[part]))
            self.exact[part] = False
        self.since[index] = self.cover.picks

    def _fall(self, index: Tensor, since: Tensor, some: Tensor, exact: bool) -> None:
        """Lower the values of some of the candidates by what they have lost."""
        if bool(some.any()):
            part = index[some]
            self.value[part] = (self.value[part] - self.cover.losses(part, since[some], exact)).clamp_(min=0)

    def verify(self, index: Tensor) -> None:
        """Evaluate candidates exactly."""
        self.value[index] = self.cover.gains(index, exact=True)
        self.exact[index] = True
        self.since[index] = self.cover.picks

    def drop(self, index: int) -> None:
        """Take a candidate out."""
        self.value[index] = -1


def _lazy_greedy(cover: Coverage, n: int, progress: Progress | None) -> tuple[Tensor, Tensor]:
    """Choose up to ``n`` candidates; fewer when nothing gains any more. Returns rows and gains."""
    if progress is not None:
        progress(0, n)
    bounds = _Bounds(cover)
    noise = _NOISE * float(bounds.value.max())
    index: list[int] = []
    score: list[float] = []
    while len(index) < n:
        best, gain = _best(bounds, noise)
        if gain <= noise:
            break
        index.append(best)
        score.append(cover.add(best))
        bounds.drop(best)
        if progress is not None:
            progress(len(index), n)
    device = cover.x.device
    rows = torch.tensor(index, dtype=torch.int64, device=device)
    return rows, torch.tensor(score, dtype=torch.float64, device=device)


def _best(bounds: _Bounds, noise: float) -> tuple[int, float]:
    """Return the candidate with the largest gain, the lowest row of equal ones, and the gain."""
    now, n, size = bounds.cover.picks, bounds.value.numel(), _FIRST
    while True:
        top = torch.topk(bounds.value, min(size, n))
        index, value = top.indices, top.values
        stale = bounds.since[index] < now
        sure = bounds.exact[index] & ~stale
        best = float(value[sure].max()) if bool(sure.any()) else -1.0
        open_ = value >= best - TIE * abs(best) - noise
        open_ &= value >= 0
        if bool((open_ & stale).any()):
            bounds.refresh(index[open_ & stale])
            size = min(4 * size, _MOST)
            continue
        if bool((open_ & ~sure).any()):
            bounds.verify(index[open_ & ~sure][:_EXACT])
            continue
        if bool(open_[-1]) and index.numel() < n:
            size = 2 * size  # more candidates may be equal to the best
            continue
        equal = index[open_]
        if not equal.numel():
            return -1, -1.0
        row = int(equal.min())
        return row, float(bounds.value[row])
