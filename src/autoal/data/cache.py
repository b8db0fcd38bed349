"""Decoded images in one memory-mapped file, so that the next run does not decode them again."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
import torch

from autoal.data.archives import free_space
from autoal.data.images import DECODE_BATCH, ImageFiles
from autoal.data.memmap import ArraySource, chunks, open_array
from autoal.errors import AutoALError
from autoal.files import reason, temporary_beside
from autoal.rundir.locks import take_lock

log = logging.getLogger(__name__)

_COMPARED = 8
_ABANDONED = 3600.0


def cached(files: ImageFiles, folder: Path) -> ArraySource | ImageFiles:
    """Decode everything once into a file that is memory-mapped from then on.

    The file's name is a digest of the paths, sizes and times of the images, the decoder and Pillow's version,
    so a change of any of them makes a new one. A file of that name counts if its size is right and some of its
    images, spread over the whole, equal the decoded ones. It appears when it is complete, with the mode that
    the umask gives.
    Of several processes that want the same file one writes it, and the others wait for it.
    Where it can't be written (no permission, disk full), a warning of one line says so and nothing is cached.

    Args:
        files: The images.
        folder: Where the cache lies, ``<data directory>/.autoal-cache``.

    Returns:
        The mapped file, or ``files``.

    Raises:
        AutoALError: If an image can't be decoded.
    """
    path = folder / f"{cache_key(files, folder.parent)}.npy"
    found = _identity(path)
    array = _usable(files, path)
    if array is None:
        try:
            with _one_at_a_time(path):
                # Another process of the same job may have written it in the meantime.
                array = _usable(files, path) if _identity(path) != found else None
                if array is None:
                    _write(files, path)
        except OSError as error:
            log.warning(
                "images are decoded anew in every run: cannot write %s bytes to %s: %s",
                f"{files.nbytes:,}",
                folder,
                reason(error),
            )
            return files
        array = open_array(path) if array is None else array
    return ArraySource(array, origin=files)


def cache_key(files: ImageFiles, root: Path) -> str:
    """Return the digest that names the cache of ``files``; paths below ``root`` count from there."""
    hasher = hashlib.sha256(repr((files.decoder, files.shape, PIL.__version__)).encode())
    base = root.absolute()
    for path in files.paths:
        stat = path.stat()
        place = path.absolute()
        name = place.relative_to(base) if place.is_relative_to(base) else place
        hasher.update(os.fsencode(name) + f"\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return hasher.hexdigest()[:32]


def _usable(files: ImageFiles, path: Path) -> npt.NDArray[np.generic] | None:
    """Open the cache if it is there and is what its name says."""
    if not path.exists():
        return None
    try:
        array = open_array(path)
    except (AutoALError, OSError) as error:
        log.warning("images are decoded once more: %s", error)
        return None
    if array.shape == (len(files), *files.shape) and array.dtype == np.uint8:
        rows = torch.linspace(0, len(files) - 1, min(_COMPARED, len(files)), dtype=torch.float64).round().long()
        if np.array_equal(files.fetch(rows).numpy(), array[rows.numpy()]):
            return array
    log.warning("images are decoded once more: %s does not hold the images that its name stands for", path)
    return None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from one that has taken its place, or None if there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the lock of a cache file inside the block; it ends with its process, whatever ends that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place, waiting = path.with_suffix(".lock"), False
    # Whoever is done removes the lock file: a lock on one that has been removed keeps nobody out.
    while (lock := take_lock(place)) is None or not lock.stands():
        if lock is not None:
            lock.release()
        elif not waiting:
            log.info("waiting for another process that decodes the same images into %s", path.parent)
            waiting = True
    try:
        yield
    finally:
        lock.release(remove=True)


def _write(files: ImageFiles, path: Path) -> None:
    _sweep(path.parent)
    if files.nbytes > (free := free_space(path.parent)):
        raise OSError(None, f"disk full ({free:,} bytes are free)")
    handle, partial = temporary_beside(path)
    try:
        # Written front to back: a full disk is an error of the write then. Filling a mapped file instead, the
        # kernel would kill the process (SIGBUS) when it finds no block for a page.
        with os.fdopen(handle, "wb") as file:
            shape = (len(files), *files.shape)
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for rows in chunks(len(files), DECODE_BATCH):
                file.write(files.fetch(rows).numpy().data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left: a writer's file is younger than this at any moment."""
    for left in folder.glob(".*.tmp"):
        try:
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()
        except OSError:
            continue
