"""A split whose samples are dealt out to the devices of several processes: data that one device can't hold."""

from __future__ import annotations

import torch
from torch import Tensor

from autoal.data.base import SampleSource
from autoal.distributed import World

BLOCK_BYTES = 64 << 20
"""What is read at a time to fill a device."""


class SpreadSource:
    """Samples that live on the devices of all ranks together: sample i with rank ``i % size``.

    Batches whose ids every rank knows go from device to device (:meth:`exchange`). Any other sample is read from
    where it came from, which every rank still has, so a rank may ask for it by itself.

    Args:
        origin: Where the samples come from.
        world: This rank's place.
        device: Where this rank's share lives.
    """

    def __init__(self, origin: SampleSource, world: World, device: torch.device) -> None:
        self._origin = origin
        self._world = world
        mine = world.shard(torch.arange(len(origin)))
        one = origin.fetch(torch.zeros(1, dtype=torch.int64))
        self._own = torch.empty((len(mine), *one.shape[1:]), dtype=one.dtype, device=device)
        block = max(1, BLOCK_BYTES // max(1, one.nbytes))
        for low in range(0, len(mine), block):
            self._own[low : low + block] = origin.fetch(mine[low : low + block]).to(device)

    def __len__(self) -> int:
        return len(self._origin)

    def exchange(self, rows: Tensor) -> Tensor:
        """Return this rank's share of a batch, :meth:`~autoal.distributed.World.shard` of ``rows``.

        Every rank must call it at the same point.

        Args:
            rows: The ids of the whole batch ``(B,)``, the same on every rank.

        Returns:
            ``(B_rank, *input_shape)`` on the device.
        """
        return self._world.exchange_rows(self._own, rows)

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the raw inputs of ``rows``, without the other ranks; see :class:`SampleSource`."""
        return self._origin.fetch(rows)

    def to(self, device: torch.device) -> SampleSource:
        """Return itself: it lives where it was dealt."""
        return self

    def select(self, rows: Tensor) -> SampleSource:
        """Return a source of ``rows`` only, which is not spread."""
        return self._origin.select(rows)

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take as one tensor."""
        return self._origin.nbytes


def spread_over(source: SampleSource, world: World) -> SpreadSource | None:
    """Return the source if ranks that share batches as ``world`` says exchange its samples, else None."""
    return source if isinstance(source, SpreadSource) and world.size > 1 else None
