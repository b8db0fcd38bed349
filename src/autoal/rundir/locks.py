"""One writer per directory, by a lock that the kernel drops when its process dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

PATIENCE = 1.0
"""Seconds that taking a lock tries again: somebody may just be looking whether it is held."""


def take_lock(path: Path) -> int | None:
    """Take a lock.

    Args:
        path: The lock file, made if need be.

    Returns:
        A file descriptor that holds the lock until it is closed, or None if another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > end:
                os.close(handle)
                return None
            time.sleep(0.1)
        else:
            return handle


def is_locked(path: Path) -> bool:
    """Whether some process holds a lock."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
