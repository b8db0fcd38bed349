"""One ``.npy`` file of features that several processes fill."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoal.errors import AutoALError
from autoal.files import reason


class FeatureFile:
    """A ``.npy`` file of float16 rows that several processes fill, each its own rows.

    Its array is ``(rows, width)``, or ``(views, rows, width)``, whose first two axes are counted as one here.

    The rows are written by ``pwrite`` into space that is allocated beforehand, not through a mapping: a full disk
    is an error of the system call then, and no SIGBUS.

    Args:
        folder: Where it lies.
        split: The part whose features it holds.
        shape: Of the array.

    Attributes:
        rows: Number of rows, all views together.
    """

    def __init__(self, folder: Path, split: str, shape: tuple[int, ...]) -> None:
        self.path = folder / f"{split}_features.npy"
        self.rows = math.prod(shape[:-1])
        self._row_bytes = 2 * shape[-1]
        header = io.BytesIO()
        form = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, form)
        self._header = header.getvalue()
        self.nbytes = len(self._header) + self.rows * self._row_bytes

    def is_there(self) -> bool:
        """Whether the file has its size and header."""
        try:
            with self.path.open("rb") as file:
                head = file.read(len(self._header))
            return head == self._header and self.path.stat().st_size == self.nbytes
        except OSError:
            return False

    def allocate(self) -> None:
        """Make the file with all its blocks on the disk.

        Raises:
            AutoALError: If the disk is full, or the folder can't be written.
        """
        try:
            with self.path.open("wb") as file:
                file.write(self._header)
                file.flush()
                os.posix_fallocate(file.fileno(), 0, self.nbytes)
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise AutoALError(f"cannot write {self.path} ({self.nbytes:,} bytes): {reason(error)}") from error

    def write(self, start: int, rows: npt.NDArray[np.float16]) -> None:
        """Write rows ``start``, ``start + 1``, ... in their places.

        Raises:
            AutoALError: If the system refuses.
        """
        view = memoryview(np.ascontiguousarray(rows, dtype="<f2").data).cast("B")
        place = len(self._header) + start * self._row_bytes
        try:
            handle = os.open(self.path, os.O_WRONLY)
            try:
                while view:
                    written = os.pwrite(handle, view, place)
                    view, place = view[written:], place + written
            finally:
                os.close(handle)
        except OSError as error:
            raise AutoALError(f"cannot write {self.path}: {reason(error)}") from error

    def sync(self) -> None:
        """Make durable what any process has written."""
        try:
            handle = os.open(self.path, os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise AutoALError(f"cannot write {self.path}: {reason(error)}") from error
