"""Checkpoints that are whole or not there: written beside the old one, fsynced, then renamed."""

from __future__ import annotations

import io
import logging
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from autoal.errors import AutoALError
from autoal.files import atomic_open, reason, sync_folder

log = logging.getLogger(__name__)

FORMAT = 1
"""Goes up when a checkpoint holds something else than before."""

STAMP = "autoal"
"""Key of what a checkpoint says about itself: its format, the data set and the machine."""

_LOOP = "callbacks.ActiveLearning"
_DATA = "ActiveLearningDataModule"
REQUIRED = (
    *("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"),
    *(f"{_LOOP}.{key}" for key in ("records.rows", "records.seconds", "best", "finished", "strategy", "trained")),
    *(f"{_LOOP}.{key}" for key in ("seconds", "steps_done", "sums")),
    *(f"{_DATA}.{key}" for key in ("pool.state", "pool.labels", "round", "epoch")),
)
"""Dotted keys without which a run can't go on."""


@dataclass(frozen=True)
class Found:
    """A checkpoint that a run can go on from.

    Attributes:
        path: The file.
        stamp: What it says about the data set and the machine.
    """

    path: Path
    stamp: Mapping[str, Any] = field(default_factory=dict)


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
        with atomic_open(target.with_name(f"{target.name}.new"), "wb") as file:
            noting = _Noting(file)
            try:
                torch.save(checkpoint, noting)  # type: ignore[arg-type]
            except RuntimeError as error:
                # torch's zip writer reports where it stood, and not what the system said.
                raise noting.error or AutoALError(f"cannot write the checkpoint {target}: {error}") from error
        try:
            if target.exists():
                target.replace(previous(target))
            target.with_name(f"{target.name}.new").replace(target)
            sync_folder(target.parent)
        except OSError as error:
            raise AutoALError(f"cannot write {target}: {reason(error)}") from error


class _Noting(io.RawIOBase):
    """A file that remembers why writing failed."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def find_checkpoint(path: Path, weights: Iterable[str] = ()) -> Found | None:
    """Return the newest checkpoint that is whole: ``path``, what a kill left beside it, or the previous one.

    Loads with ``weights_only=True``, which executes nothing from the file, and compares every part with its
    checksum, which a load alone does not.

    Args:
        path: Where the newest one should be.
        weights: Names of the module's weights, all of which it must hold.

    Raises:
        AutoALError: If a newer version of the package wrote it.
    """
    for candidate in (path, path.with_name(f"{path.name}.new"), previous(path)):
        if not candidate.exists():
            continue
        content, problem = _read(candidate)
        if problem is None:
            problem = _incomplete(content, tuple(weights))
        if problem is None:
            return Found(candidate, content[STAMP])
        log.warning("checkpoint %s can't be used (%s); trying the one before it", candidate, problem)
    return None


def _read(path: Path) -> tuple[Any, str | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            return None, f"wrong checksum of {damaged}"
        return torch.load(path, map_location="cpu", weights_only=True), None
    except Exception as error:  # any damage to the file counts the same
        return None, (str(error).splitlines() or [type(error).__name__])[0][:120]


def _incomplete(content: Any, weights: Iterable[str]) -> str | None:
    """Say what a checkpoint lacks; None if it lacks nothing."""
    stamp = _get(content, STAMP)
    if not isinstance(stamp, Mapping):
        return f"no key '{STAMP}': written by another program or an older version"
    format_ = stamp.get("format")
    if not isinstance(format_, int):
        return f"format {format_!r} is no number"
    if format_ > FORMAT:
        raise AutoALError(
            f"a newer version of AutoAL wrote this run's checkpoint (format {format_}, not {FORMAT})"
        )
    missing = [key for key in REQUIRED if _get(content, key) is _NOTHING]
    missing += [f"state_dict.{name}" for name in weights if name not in content.get("state_dict", {})]
    if missing:
        return f"no key '{missing[0]}'"
    try:
        rows, rounds = len(_get(content, f"{_LOOP}.records.rows")), int(_get(content, f"{_DATA}.round"))
    except (TypeError, ValueError) as error:
        return str(error)
    # A row is added at a round's end, which the round's number follows unless it was the last one.
    if rows != rounds + bool(_get(content, f"{_LOOP}.finished")):
        return f"{rows} rows in round {rounds}"
    if _get(content, f"{_LOOP}.trained") is None and not content["optimizer_states"]:
        return "no state of the optimizer"
    return None


_NOTHING = object()


def _get(content: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return _NOTHING
        content = content[part]
    return content
