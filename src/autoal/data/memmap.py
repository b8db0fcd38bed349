"""Arrays on disk, read sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoal.data.base import TensorSource
from autoal.errors import AutoALError


@dataclass
class ArraySource:
    """Samples in a (memory-mapped) array; see :class:`autoal.data.base.SampleSource`.

    Attributes:
        array: Shape ``(N, ...)``; images ``(N, C, H, W)``, or ``(N, H, W, C)`` if ``channels_last``.
        rows: Rows of the array that the samples are, int64, ``(n,)``; None: all.
        channels_last: Whether fetched images must have their channels moved to the front.
    """

    array: npt.NDArray[np.generic]
    rows: Tensor | None = None
    channels_last: bool = False

    def __len__(self) -> int:
        return len(self.array) if self.rows is None else len(self.rows)

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the raw inputs of ``rows``."""
        wanted = rows.cpu() if self.rows is None else self.rows[rows.cpu()]
        batch = torch.from_numpy(np.ascontiguousarray(self.array[wanted.numpy()]))
        return batch.movedim(-1, 1).contiguous() if self.channels_last else batch

    def to(self, device: torch.device) -> TensorSource:
        """Read everything into one tensor on ``device``."""
        parts = [self.fetch(rows).to(device) for rows in chunks(len(self), 4096)]
        return TensorSource(torch.cat(parts))

    def select(self, rows: Tensor) -> ArraySource:
        """Return a source of ``rows`` alone; nothing is read."""
        return ArraySource(self.array, rows if self.rows is None else self.rows[rows], self.channels_last)

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take as one tensor."""
        return len(self) * int(np.prod(self.array.shape[1:])) * self.array.itemsize


def chunks(n: int, size: int) -> list[Tensor]:
    """Cut ``0..n-1`` into consecutive pieces of up to ``size`` rows."""
    return [torch.arange(start, min(start + size, n)) for start in range(0, n, size)]


def open_array(path: Path, mmap: bool = True) -> npt.NDArray[np.generic]:
    """Open a ``.npy`` file; pickled objects in it are refused.

    Raises:
        AutoALError: If it is truncated or no array.
    """
    try:
        array: npt.NDArray[np.generic] = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise AutoALError(f"{path} is truncated or no .npy array: {error}") from error
    return array
