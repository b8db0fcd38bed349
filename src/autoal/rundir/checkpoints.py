"""Checkpoints that are whole or not there: written beside the old one, fsynced, then renamed."""

from __future__ import annotations

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from autoal.errors import AutoALError
from autoal.files import atomic_open

log = logging.getLogger(__name__)


def previous(path: Path) -> Path:
    """Return where the checkpoint before ``path`` is kept."""
    return path.with_name(f"{path.stem}.prev{path.suffix}")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Keeps the previous checkpoint until the new one is safely on disk."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            AutoALError: If it can't be written (disk full, ...); the previous one is intact then.
        """
        target = Path(path)
        try:
            with atomic_open(target.with_name(f"{target.name}.new"), "wb") as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:  # torch wraps write errors of its zip writer
            raise AutoALError(f"cannot write the checkpoint {target}: {error}") from error
        if target.exists():
            target.replace(previous(target))
        target.with_name(f"{target.name}.new").replace(target)
        _sync_directory(target.parent)


def _sync_directory(path: Path) -> None:
    """Bring the renames to disk, so that a power cut does not undo them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def find_checkpoint(path: Path) -> Path | None:
    """Return the newest checkpoint that can be read: ``path``, what a kill left beside it, or the previous one.

    Loads with ``weights_only=True``, which executes nothing from the file, and compares every part with its
    checksum, which a load alone does not.
    """
    for candidate in (path, path.with_name(f"{path.name}.new"), previous(path)):
        if not candidate.exists():
            continue
        problem = _problem(candidate)
        if problem is None:
            return candidate
        log.warning("checkpoint %s can't be read (%s); trying the one before it", candidate, problem)
    return None


def _problem(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            return f"wrong checksum of {damaged}"
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # any damage to the file counts the same
        return (str(error).splitlines() or [type(error).__name__])[0][:120]
    return None
