"""Arrays on disk, read sample by sample."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoal.data.base import SampleSource, TensorSource
from autoal.data.digests import CONTENT_BYTES, content_digest, files_digest, join
from autoal.errors import AutoALError


@dataclass
class ArraySource:
    """Samples in a (memory-mapped) array; see :class:`autoal.data.base.SampleSource`.

    Attributes:
        array: Shape ``(N, ...)``; images ``(N, C, H, W)``, or ``(N, H, W, C)`` if ``channels_last``.
        rows: Rows of the array that the samples are, int64, ``(n,)``; None: all.
        channels_last: Whether fetched images must have their channels moved to the front.
        origin: The files that the array was decoded from, which know their fingerprint; None: no others.
    """

    array: npt.NDArray[np.generic]
    rows: Tensor | None = None
    channels_last: bool = False
    origin: SampleSource | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.array) if self.rows is None else len(self.rows)

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the raw inputs of ``rows``."""
        wanted = rows.cpu() if self.rows is None else self.rows[rows.cpu()]
        batch = torch.from_numpy(np.ascontiguousarray(self.array[wanted.numpy()], dtype=native(self.array.dtype)))
        return batch.movedim(-1, 1).contiguous() if self.channels_last else batch

    def to(self, device: torch.device) -> TensorSource:
        """Read everything into one tensor on ``device``."""
        parts = [self.fetch(rows).to(device) for rows in chunks(len(self), 4096)]
        # An array in memory is let go once it has been copied.
        mapped = getattr(self.array, "filename", None) is not None
        return TensorSource(torch.cat(parts), origin=self.origin or (self if mapped else None))

    def select(self, rows: Tensor) -> ArraySource:
        """Return a source of only ``rows``; nothing is read."""
        return replace(
            self,
            rows=rows if self.rows is None else self.rows[rows],
            origin=None if self.origin is None else self.origin.select(rows),
        )

    def digest(self) -> str:
        """Return the fingerprint: of the decoded files, of the content, or of a large mapped file by its time."""
        own = getattr(self.origin, "digest", None)
        if own is not None:
            return str(own())
        file = getattr(self.array, "filename", None)
        if file is None or self.nbytes <= CONTENT_BYTES:
            return content_digest(self)
        rows = "" if self.rows is None else hashlib.sha256(self.rows.numpy().tobytes()).hexdigest()
        return join((files_digest([Path(file)]), str(self.array.dtype), str(self.array.shape), rows))

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take as one tensor."""
        return len(self) * int(np.prod(self.array.shape[1:])) * native(self.array.dtype).itemsize


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that samples of ``dtype`` get: this machine's byte order, and float64 for long doubles."""
    return np.dtype(np.float64) if dtype.kind == "f" and dtype.itemsize > 8 else dtype.newbyteorder("=")


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
    except (ValueError, EOFError, TypeError) as error:
        raise AutoALError(f"{path} is truncated or no .npy array: {error}") from error
    return array
