"""Digests of raw inputs: of the content where it is small or in memory, else of path, size and time of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from autoal.errors import AutoALError

CONTENT_BYTES = 1 << 30
"""Files that hold more than this together are told apart by path, size and time, without being read."""
_BLOCK = 1 << 24


class Readable(Protocol):
    """What a digest of the content needs of a :class:`autoal.data.base.SampleSource`."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the raw inputs of ``rows``."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take."""
        ...


def content_digest(source: Readable) -> str:
    """Digest the samples themselves, in order: their number, shape, dtype and bytes.

    Reads 16 MiB at a time; one to three seconds per GiB in memory. Neither the device that holds the samples nor
    the kind of source matters.

    Args:
        source: The samples.

    Returns:
        64 hexadecimal digits.
    """
    n = len(source)
    hasher = hashlib.sha256(f"{n}\0".encode())
    step = max(1, _BLOCK * n // max(1, source.nbytes))
    for start in range(0, n, step):
        batch = source.fetch(torch.arange(start, min(start + step, n))).detach().cpu().contiguous()
        if start == 0:
            hasher.update(f"{batch.dtype}\0{tuple(batch.shape[1:])}\0".encode())
        hasher.update(batch.reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def files_digest(paths: Sequence[Path], workers: int = 0) -> str:
    """Digest a list of files, in order.

    Up to :data:`CONTENT_BYTES` together their bytes count and neither their names nor their times, so a copy
    is the same. Larger sets are not read: the path below the common folder, the size and the time of the last
    change (in whole seconds, as archives keep it) of each file count, at the cost of one ``stat`` per file.

    Args:
        paths: The files.
        workers: Reading threads; 0: one per core, at most 16.

    Returns:
        64 hexadecimal digits.

    Raises:
        AutoALError: If a file can't be read.
    """
    try:
        stats = [path.stat() for path in paths]
        if sum(stat.st_size for stat in stats) <= CONTENT_BYTES:
            with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 16)) as threads:
                return join(threads.map(_file_digest, paths))
    except OSError as error:
        raise AutoALError(f"cannot read {error.filename}: {error.strerror or error}") from error
    places = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links are not followed
    common = os.path.commonpath([place.parent for place in places])
    return join(
        f"{place.relative_to(common)}\0{stat.st_size}\0{int(stat.st_mtime)}"
        for place, stat in zip(places, stats, strict=True)
    )


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def join(parts: Iterable[str]) -> str:
    """Digest several strings, in order; where one ends and the next begins counts."""
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogateescape")
        hasher.update(len(raw).to_bytes(8, "little"))
        hasher.update(raw)
    return hasher.hexdigest()
