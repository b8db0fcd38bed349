r"""How much of a pool its nearest centres cover, and what one more centre would add.

With centres S and targets n of weight :math:`w_n`, the coverage is :math:`\sum_n w_n M_n` with
:math:`M_n = \max_{s \in S} k(z_n, z_s)`, and the gain of a candidate x is
:math:`\sum_n w_n \max(0, k(z_n, z_x) - M_n)`. :class:`Coverage` keeps M exactly (in float64) and evaluates gains
in blocks: exactly, or in the features' computing type as certain upper bounds.

A gain that is known from earlier picks is brought up to date from the few targets whose M has changed since, not
from all: the changes are kept in a log as long as reading them is cheaper than starting anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from autoal.kernels.checks import row_blocks
from autoal.kernels.rows import Kept, Rows, block_width
from autoal.kernels.similarity import Similarity, rounding, squared_distances

_SUM = 128
"""Error of a sum within a block, in units of the type's resolution."""
_COLUMNS = 1024
"""Candidates whose gains are evaluated together."""
_READ = 8192
"""Changes of M that are read together."""


class _Change(NamedTuple):
    """Targets whose M one pick has raised: which of this rank's, from what, to what; and how many on all ranks."""

    targets: Tensor
    before: Tensor
    after: Tensor
    everywhere: int


def _together(changes: Sequence[_Change]) -> Iterator[list[tuple[int, _Change]]]:
    """Yield changes with their places, in parts of about ``_READ`` targets."""
    part: list[tuple[int, _Change]] = []
    size = 0
    for place, change in enumerate(changes):
        part.append((place, change))
        size += change.targets.numel()
        if size >= _READ:
            yield part
            part, size = [], 0
    if size:
        yield part


class Coverage:
    """What the centres so far cover of the targets.

    Every method must be called by all ranks alike; what it returns is the same on each.

    Args:
        rows: The candidates' features.
        kernel: The similarity.
        weights: ``(T_rank,)`` float64 weights of this rank's targets.
        targets: ``(T_rank,)`` this rank's own rows that are targets; None: all of them.
        total: Number of targets over all ranks.
        kept: Inner products of the rows, if all of them are on this rank, targets and unit vectors; it saves the
            larger part of :meth:`first_gains`.

    Attributes:
        covered: ``(T_rank,)`` float64, M of this rank's targets; 0 without centres.
        picks: How many centres have been added by :meth:`add`.
        pairs: Kernel values computed, over all ranks.
    """

    def __init__(
        self,
        rows: Rows,
        kernel: Similarity,
        weights: Tensor,
        targets: Tensor | None,
        total: int,
        kept: Kept | None = None,
    ) -> None:
        self.rows = rows
        self.kept = kept
        self.kernel = kernel
        self.weights = weights
        self.x = rows.mine if targets is None else rows.mine[targets]
        self._length = rows.lengths(self.x) if rows.normalise else None
        self.total = total
        self.covered = torch.zeros(self.x.shape[0], dtype=torch.float64, device=rows.device)
        self.picks = 0
        self.pairs = 0.0
        self._log: deque[_Change] = deque()
        self._logged = 0

    def start(self, labelled: Tensor) -> None:
        """Make labelled samples ``(L, D)``, the same on every rank, centres."""
        dtype = torch.float64
        for first in range(0, labelled.shape[0], 1024):
            c, right = self.rows.unit(labelled[first : first + 1024], dtype)
            for low, high in row_blocks(self.x.shape[0], block_width(c), self.x.device):
                b, left = self._targets(slice(low, high), dtype)
                best = self.kernel.highest(b @ c.T, left[:, None], right)
                self.covered[low:high] = torch.maximum(self.covered[low:high], best)
        self.pairs += float(self.total * labelled.shape[0])

    def value(self) -> float:
        """Return the coverage, the weighted sum of M."""
        return float(self.rows.world.sum((self.weights * self.covered).sum().reshape(1)))

    def gains(self, index: Tensor, exact: bool) -> Tensor:
        """Return the gains of candidates ``(m,)`` as float64: exact ones, or bounds that are not below them."""
        dtype = torch.float64 if exact else self.rows.dtype
        share, floor, slack = self._margins(dtype, exact)
        c, right = self.rows.take(index, dtype)
        out = torch.zeros(index.numel(), dtype=torch.float64, device=self.x.device)
        low_cover = (self.covered * floor).to(dtype)
        weights = self.weights.to(dtype)
        for low, high in row_blocks(self.x.shape[0], block_width(c), self.x.device):
            b, left = self._targets(slice(low, high), dtype)
            k = self.kernel.of(b @ c.T, left[:, None], right, share)
            k.sub_(low_cover[low:high, None]).clamp_(min=0)
            out += weights[low:high] @ k
        self.pairs += float(self.total * index.numel())
        return self.rows.world.sum(out) * (1 + slack)

    def first_gains(self) -> Tensor:
        """Return bounds of all candidates' gains, ``(N,)`` float64, as :meth:`gains` with ``exact=False`` does.

        Where every candidate is a target and on this rank, a kernel value serves both of its rows: half the work.
        """
        n, device = self.rows.n, self.x.device
        if self.x is not self.rows.mine or self.rows.world.size > 1:
            steps = range(0, n, _COLUMNS)
            parts = [torch.arange(low, min(n, low + _COLUMNS), device=device) for low in steps]
            return torch.cat([self.gains(part, exact=False) for part in parts])
        share, floor, slack = self._margins(self.rows.dtype, exact=False)
        cover, weights = (self.covered * floor).to(self.rows.dtype), self.weights.to(self.rows.dtype)
        if self.kept is None:
            out = self._half(cover, weights, share)
        else:
            # Rows that have left the pool count nothing.
            place, m = self.kept.place, self.kept.norms.numel()
            wide = [torch.zeros(m, dtype=self.rows.dtype, device=device) for _ in range(2)]
            wide[0][place], wide[1][place] = cover, weights
            out = self._half(wide[0], wide[1], share, self.kept)[place]
        self.pairs += n * (n + 1) / 2
        return out * (1 + slack)

    def _half(self, cover: Tensor, weights: Tensor, share: float, kept: Kept | None = None) -> Tensor:
        """Sum what each row would add to the coverage, from one half of all pairs."""
        n, device = cover.numel(), cover.device
        out = torch.zeros(n, dtype=torch.float64, device=device)
        for low in range(0, n, _COLUMNS):
            high = min(n, low + _COLUMNS)
            c, right = (None, kept.norms[low:high]) if kept else self._targets(slice(low, high), self.rows.dtype)
            width = high - low + (0 if c is None else block_width(c))
            # The rows before these columns, then the columns' own.
            for first, last in (*row_blocks(low, width, device), *row_blocks(high, width, device, low)):
                if kept is None:
                    assert c is not None
                    b, left = self._targets(slice(first, last), self.rows.dtype)
                    inner = b @ c.T
                else:
                    inner, left = kept.products[first:last, low:high].clone(), kept.norms[first:last]
                k = self.kernel.of(inner, left[:, None], right, share)
                if first < low:
                    over = torch.sub(k, cover[low:high]).clamp_(min=0).split(_SUM, 1)
                    for part, weight in zip(over, weights[low:high].split(_SUM), strict=True):
                        out[first:last] += part @ weight
                out[low:high] += weights[first:last] @ k.sub_(cover[first:last, None]).clamp_(min=0)
        return out

    def effort(self, since: Tensor) -> Tensor:
        """Return what it costs to bring gains up to date by :meth:`losses`, as a share of :meth:`gains`.

        Args:
            since: ``(m,)`` number of picks that each gain took into account.

        Returns:
            ``(m,)`` float64; infinity where the changes since then are no longer known.
        """
        counts = torch.tensor([0.0, *(change.everywhere for change in reversed(self._log))], dtype=torch.float64)
        behind = self.picks - since.cpu()
        known = behind <= len(self._log)
        cost = counts.cumsum(0)[behind.clamp(max=len(self._log))] / self.total
        return torch.where(known, cost, torch.inf).to(since.device)

    def losses(self, index: Tensor, since: Tensor, exact: bool) -> Tensor:
        """Return by how much gains have fallen since they were known.

        Args:
            index: ``(m,)`` candidates.
            since: ``(m,)`` number of picks that each gain took into account; the effort must be finite.
            exact: Return float64 values; otherwise values that are not above them.
        """
        dtype = torch.float64 if exact else self.rows.dtype
        share, _, slack = self._margins(dtype, exact)
        oldest = int(since.min())
        changes = list(self._log)[len(self._log) - (self.picks - oldest) :]
        self.pairs += float(sum(c.everywhere for c in changes) * index.numel())
        out = torch.zeros(index.numel(), dtype=torch.float64, device=self.x.device)
        c, right = self.rows.take(index, dtype)
        mixed = bool((since > oldest).any())
        for part in _together(changes):
            which = torch.cat([change.targets for _, change in part])
            before = torch.cat([change.before for _, change in part]).to(dtype)
            after = torch.cat([change.after for _, change in part]).to(dtype)
            counts = torch.tensor([change.targets.numel() for _, change in part])
            picks = torch.tensor([place for place, _ in part], dtype=since.dtype)
            when = picks.repeat_interleave(counts).to(since.device) + oldest
            weights = self.weights[which].to(dtype)
            for low, high in row_blocks(which.numel(), block_width(c), self.x.device):
                b, left = self._targets(which[low:high], dtype)
                k = self.kernel.of(b @ c.T, left[:, None], right, -share)
                start = before[low:high, None]
                k = torch.minimum(k, after[low:high, None], out=k).sub_(start).clamp_(min=0)
                if mixed:
                    k.mul_(when[low:high, None] >= since)
                out += weights[low:high] @ k
        return self.rows.world.sum(out) * (1 - slack)

    def add(self, index: int) -> float:
        """Make a candidate a centre, and return what it gains, whatever its gain was evaluated from before."""
        place = torch.tensor([index], device=self.x.device)
        share, floor, _ = self._margins(self.rows.dtype, exact=False)
        c, right = self.rows.take(place, self.rows.dtype)
        near = torch.empty(self.x.shape[0], dtype=torch.bool, device=self.x.device)
        for low, high in row_blocks(self.x.shape[0], block_width(c), self.x.device):
            b, left = self._targets(slice(low, high), self.rows.dtype)
            k = self.kernel.of(b @ c.T, left[:, None], right, share).squeeze(1)
            near[low:high] = k >= self.covered[low:high] * floor
        targets = near.nonzero().squeeze(1)
        c, right = self.rows.take(place, torch.float64)
        value = torch.empty(targets.numel(), dtype=torch.float64, device=self.x.device)
        for low, high in row_blocks(targets.numel(), block_width(c), self.x.device):
            b, left = self._targets(targets[low:high], torch.float64)
            value[low:high] = self.kernel.of(b @ c.T, left[:, None], right).squeeze(1)
        self.pairs += float(self.total)
        before = self.covered[targets]
        up = value > before
        targets, before, after = targets[up], before[up], value[up]
        self.covered[targets] = after
        self.picks += 1
        mine = (self.weights[targets] * (after - before)).sum()
        count, gain = self.rows.world.sum(torch.stack([torch.full_like(mine, len(targets)), mine])).tolist()
        self._remember(_Change(targets.int(), before, after, int(count)))
        return float(gain)

    def _targets(self, which: slice | Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return some targets as unit vectors and their squared norms."""
        return self.rows.unit(self.x[which], dtype, None if self._length is None else self._length[which])

    def _remember(self, change: _Change) -> None:
        """Log a change and forget the oldest ones once reading them all would cost more than starting anew."""
        self._log.append(change)
        self._logged += change.everywhere
        while self._logged > self.total and self._log:
            self._logged -= self._log.popleft().everywhere

    def _margins(self, dtype: torch.dtype, exact: bool) -> tuple[float, float, float]:
        """Share of the squared norms, factor on M and relative slack of sums that turn values into bounds."""
        if exact:
            return 0.0, 1.0, 0.0
        eps = torch.finfo(dtype).eps
        return rounding(dtype), 1 - 8 * eps, _SUM * eps


def farthest(rows: Rows, index: Tensor, labelled: Tensor | None, count: int) -> Tensor:
    """Return rows that are not chosen yet, those farthest from all centres first; equal ones by row.

    Args:
        rows: The candidates.
        index: ``(k,)`` int64 chosen rows.
        labelled: ``(L, D)`` labelled samples, or None.
        count: How many, at most the number of rows that are left.

    Returns:
        ``(count,)`` int64 rows.
    """
    own = rows.world.shard(torch.arange(rows.n)).to(rows.device)
    nearest = torch.full((own.numel(),), 2.0, dtype=torch.float64, device=rows.device)
    parts = [rows.take(index[low : low + 1024], torch.float64) for low in range(0, index.numel(), 1024)]
    if labelled is not None:
        step = range(0, labelled.shape[0], 1024)
        parts += [rows.unit(labelled[low : low + 1024], torch.float64) for low in step]
    if parts:
        nearest.fill_(torch.inf)
    for c, right in parts:
        for low, high in row_blocks(own.numel(), block_width(c), rows.device):
            b, left = rows.unit(rows.mine[low:high], torch.float64)
            here = squared_distances(b @ c.T, left[:, None], right).amin(1)
            nearest[low:high] = torch.minimum(nearest[low:high], here)
    every = rows.world.gather_rows(nearest, rows.n)
    every[index] = -1
    # Distances that agree to nine digits are equal, whatever the order of a sum.
    steps = torch.round(every * (1e9 / max(float(every.max()), 1e-300)))
    return torch.sort(steps, descending=True, stable=True).indices[:count]
