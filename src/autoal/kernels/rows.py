"""Features as rows that are spread over ranks, read in blocks as unit vectors or as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from autoal.distributed import World
from autoal.kernels.arrays import accepts_arrays
from autoal.kernels.checks import compute_dtype, row_blocks
from autoal.kernels.similarity import squared_distances


def block_width(centres: Tensor) -> int:
    """Numbers per row that a block needs as temporaries: products, rows and what makes them."""
    products, columns = centres.shape
    return (products + 3 * columns) * (4 if centres.dtype == torch.float64 else 2)


def _length(rows: Tensor) -> Tensor:
    """Return the lengths of float64 rows; squares of very small or large numbers would leave the range."""
    squared = rows.square().sum(1)
    if not bool(((squared < 1e-20) | (squared > 1e20)).any()):
        return squared.sqrt()
    largest = rows.abs().amax(1)
    scale = torch.where(largest > 0, largest, 1.0)
    return (rows / scale[:, None]).square().sum(1).sqrt() * scale


class Kept(NamedTuple):
    """Inner products of unit rows among which all rows of a pool are, for a pool that is asked about repeatedly.

    Attributes:
        products: ``(M, M)`` in the features' computing type; not written to.
        norms: ``(M,)`` squared norms: 1, or 0 for a row of zeros.
        place: ``(N,)`` int64, ascending: where the pool's rows are.
    """

    products: Tensor
    norms: Tensor
    place: Tensor


class Rows:
    """Features that are spread over ranks (all here on one), read as unit vectors or as they are.

    Args:
        mine: This rank's rows ``(N_rank, D)``, every ``size``-th one as :meth:`World.shard` deals them.
        n: Number of rows over all ranks.
        world: This rank's place.
        normalise: Divide each row by its length; a row of zeros stays as it is.
    """

    def __init__(self, mine: Tensor, n: int, world: World, normalise: bool) -> None:
        self.mine = mine
        self.n = n
        self.world = world
        self.normalise = normalise
        self.dtype = compute_dtype(mine)
        self.device = mine.device

    def unit(self, raw: Tensor, dtype: torch.dtype, length: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Widen rows ``(m, D)`` and normalise them; also return their squared norms ``(m,)``.

        Args:
            raw: The rows.
            dtype: Type of the results.
            length: What :meth:`lengths` returned of these rows, which saves half of the work.
        """
        rows = raw.to(dtype)
        if not self.normalise:
            return rows, rows.square().sum(1)
        if length is None:
            length = self.lengths(raw)
        there = length > 0
        return rows / torch.where(there, length, 1.0).to(dtype)[:, None], there.to(dtype)

    def lengths(self, raw: Tensor) -> Tensor:
        """Return the lengths of rows ``(m, D)`` as float64, ``(m,)``."""
        out = torch.empty(raw.shape[0], dtype=torch.float64, device=raw.device)
        for low, high in row_blocks(raw.shape[0], 4 * raw.shape[1], raw.device):
            out[low:high] = _length(raw[low:high].double())
        return out

    def take(self, index: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return some rows of all, ``(m,)`` int64, with their squared norms, on every rank."""
        if self.world.size == 1:
            return self.unit(self.mine[index], dtype)
        here = index % self.world.size == self.world.rank
        raw = torch.zeros(index.numel(), self.mine.shape[1], dtype=dtype, device=self.device)
        raw[here] = self.mine[index[here] // self.world.size].to(dtype)
        return self.unit(self.world.sum(raw), dtype)


def distance_blocks(rows: Rows, centres: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Yield blocks of rows with their float64 squared distances to centres ``(L, D)``, ``(high - low, L)``."""
    c, right = rows.unit(centres, torch.float64)
    for low, high in row_blocks(rows.mine.shape[0], block_width(c), rows.device):
        b, left = rows.unit(rows.mine[low:high], torch.float64)
        yield low, high, squared_distances(b @ c.T, left[:, None], right)


@accepts_arrays
def unit_rows(features: Tensor) -> Tensor:
    """Return a copy of features ``(N, D)`` with rows of length 1 in the computing type; rows of zeros stay.

    Example:
        >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    rows = Rows(features, features.shape[0], World(), normalise=True)
    out = torch.empty(features.shape, dtype=rows.dtype, device=rows.device)
    for low, high in row_blocks(features.shape[0], 2 * features.shape[1], rows.device):
        out[low:high] = rows.unit(features[low:high], rows.dtype)[0]
    return out
