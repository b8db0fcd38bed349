"""One writer per directory, by a lock that the kernel drops when its process dies.

Some network file systems know no such lock (Lustre mounted without ``flock``, NFS without its lock service).
There a second file names the owner: made so that only one process can make it, touched every half minute, and
removed when the owner ends. It counts as left behind when its process is gone, or, on another machine, when it
has not been touched for five minutes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

PATIENCE = 1.0
"""Seconds that taking a lock tries again: somebody may just be looking whether it is held."""

HEARTBEAT = 30.0
"""Seconds between two touches of an owner's file."""

STALE = 300.0
"""Seconds without a touch after which an owner on another machine counts as gone."""


class Lock:
    """A lock that is held.

    Args:
        path: The lock file.
        handle: Its open descriptor.
        owner: The owner's file, where the file system knows no locks.
    """

    def __init__(self, path: Path, handle: int, owner: Path | None = None) -> None:
        self._path = path
        self._handle: int | None = handle
        self._owner = owner
        self._ended = threading.Event()
        if owner is not None:
            threading.Thread(target=self._beat, args=(owner,), daemon=True).start()

    def stands(self) -> bool:
        """Whether the lock file is still where it was taken, so that the directory is the same one."""
        if self._handle is None:
            return False
        try:
            there = self._path.stat()
        except OSError as error:
            # Anything else may pass: a server that does not answer has not lost the directory.
            return error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
        mine = os.fstat(self._handle)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def release(self, remove: bool = False) -> None:
        """Give the lock up; a second time does nothing.

        Args:
            remove: Whether the lock file goes, too; whoever has been waiting for it finds that it no longer
                :meth:`stands`.
        """
        if self._handle is None:
            return
        self._ended.set()
        stands = self.stands()
        if self._owner is not None and stands:
            self._owner.unlink(missing_ok=True)
        if remove and stands:
            self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None

    def _beat(self, owner: Path) -> None:
        while not self._ended.wait(HEARTBEAT):
            try:
                os.utime(owner)
            except OSError:
                continue  # the next one may succeed


def take_lock(path: Path) -> Lock | None:
    """Take a lock.

    Args:
        path: The lock file, made if need be.

    Returns:
        The lock, or None if another process holds it.

    Raises:
        OSError: If the file can't be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(handle)
                return None
            time.sleep(0.1)
        except OSError as error:
            log.warning(
                "%s: this file system knows no locks (%s); a file names the owner instead", path, error.strerror
            )
            return _take_by_file(path, handle)
        else:
            return Lock(path, handle)


def is_locked(path: Path) -> bool:
    """Whether some process holds a lock."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        found = _read_owner(_owner_file(path))
        return found is not None and not found.gone(handle)
    finally:
        os.close(handle)
    return False


def _owner_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.owner")


def _take_by_file(path: Path, handle: int) -> Lock | None:
    owner = _owner_file(path)
    found = _read_owner(owner)
    if found is not None and found.gone(handle) and not _remove(owner, found):
        os.close(handle)
        return None
    try:
        own = os.open(owner, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        os.close(handle)
        return None
    with os.fdopen(own, "w", encoding="utf-8") as file:
        json.dump({"host": socket.gethostname(), "pid": os.getpid(), "born": _born(os.getpid())}, file)
    return Lock(path, handle, owner)


@dataclass(frozen=True)
class _Owner:
    """What an owner's file says, and when it was touched last."""

    said: Any
    touched: float

    def gone(self, handle: int) -> bool:
        """Whether the owner has ended; ``handle`` is a file there, whose server tells the time."""
        said = self.said if isinstance(self.said, dict) else {}
        pid = said.get("pid")
        if said.get("host") == socket.gethostname() and isinstance(pid, int):
            # The same number may have gone to another process since.
            return _born(pid) != said.get("born")
        os.utime(handle)
        return os.fstat(handle).st_mtime - self.touched > STALE


def _read_owner(owner: Path) -> _Owner | None:
    try:
        touched = owner.stat().st_mtime
        text = owner.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    try:
        return _Owner(json.loads(text), touched)
    except ValueError:
        return _Owner(None, touched)


def _remove(owner: Path, seen: _Owner) -> bool:
    """Remove a file that was left behind, unless another process has just made its own of it."""
    aside = owner.with_name(f"{owner.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        owner.rename(aside)
    except OSError:
        return False
    moved = _read_owner(aside)
    if moved is not None and moved.said != seen.said:
        aside.rename(owner)
        return False
    aside.unlink(missing_ok=True)
    return True


def _born(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _alive(pid)
    return stat.rpartition(")")[2].split()[19]


def _alive(pid: int) -> str | None:
    """Say the same, without the time, where there is no ``/proc``."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return "?"
    return "?"
