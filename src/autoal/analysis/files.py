"""Atomic output: a reader never sees half a file, and a failed write leaves the old one in place."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "write_text"]


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it there when the block succeeds.

    Args:
        path: Where the file shall be; its folder is made if needed.

    Yields:
        The temporary path (same suffix, since writers such as matplotlib choose the format by it).
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name of our own rather than mkstemp: the file then gets the permissions of any other file of the user.
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.{secrets.token_hex(4)}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Args:
        path: Where the file shall be.
        text: Its content.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
