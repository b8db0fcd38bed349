"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from autoal.errors import AutoALError


@contextmanager
def atomic_open(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of ``path`` that takes its place when the block ends without an error.

    The content is fsynced before the rename, so after a crash the path holds the old file or the new one.

    Args:
        path: The file to write.
        mode: ``"w"`` or ``"wb"``.

    Raises:
        AutoALError: If the file can't be written; the old one is intact then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    except OSError as error:
        raise AutoALError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        # newline="" leaves line ends to the writer, as the csv module wants it.
        binary = "b" in mode
        encoding, newline = (None, None) if binary else ("utf-8", "")
        with os.fdopen(handle, mode, encoding=encoding, newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise AutoALError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        Path(name).unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    with atomic_open(path) as file:
        json.dump(value, file, indent=2, allow_nan=True)
        file.write("\n")
