"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from autoal.errors import AutoALError


def temporary_beside(path: Path) -> tuple[int, Path]:
    """Make an empty file ``.<name>.<random>.tmp`` beside ``path``, with the mode that the umask gives.

    (``tempfile`` makes files that nobody else may read, whatever the umask says.)

    Args:
        path: What the file shall replace later.

    Returns:
        A descriptor, open for reading and writing, and the file's path.

    Raises:
        OSError: If it can't be made.
    """
    while True:
        place = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            return os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), place
        except FileExistsError:
            continue


def reason(error: OSError) -> str:
    """Return why the system refused, in words that people look for: a full disk is called one."""
    text = error.strerror or str(error)
    return f"disk full ({text})" if error.errno in (errno.ENOSPC, errno.EDQUOT) else text


def short(text: str, limit: int = 200) -> str:
    """Return ``text``, its middle left out where it is longer than ``limit`` characters."""
    return (
        text if len(text) <= limit else f"{text[: limit // 2]}...{text[-limit // 2 :]} ({len(text):,} characters)"
    )


@contextmanager
def atomic_open(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of ``path`` that takes its place when the block ends without an error.

    The file's mode is what the umask gives. The content is fsynced before the rename, so after a crash the path
    holds the old file or the new one.

    Args:
        path: The file to write.
        mode: ``"w"`` or ``"wb"``.

    Raises:
        AutoALError: If the file can't be written; the old one is intact then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = temporary_beside(path)
    except OSError as error:
        raise AutoALError(f"cannot write {path}: {reason(error)}") from error
    try:
        # newline="" leaves line ends to the writer, as the csv module wants it.
        binary = "b" in mode
        encoding, newline = (None, None) if binary else ("utf-8", "")
        with os.fdopen(handle, mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise AutoALError(f"cannot write {path}: {reason(error)}") from error
    finally:
        partial.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Bring new and renamed entries of a folder to disk, so that a power cut does not undo them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    with atomic_open(path) as file:
        json.dump(value, file, indent=2, allow_nan=True)
        file.write("\n")
