"""What a fault does in place of the call that it waits for."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import autoal.rundir.ledger

Options = Mapping[str, Any]


def kill(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Die before the call."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Die after the call."""
    original(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)


def send(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Send a signal to this process, then go on."""
    os.kill(os.getpid(), getattr(signal, fault_options["signal"]))
    return original(*args, **kwargs)


def torn_line(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Stand in for ``Ledger.append``: write some lines and half of one, and die."""
    ledger, round_, ids, labels, strategy, scores, source, *more = args
    original(ledger, round_, ids[:3], labels[:3], strategy, scores[:3], source, *(part[:3] for part in more))
    with ledger.path.open("a", encoding="utf-8") as file:
        file.write('{"round": 1, "id": 7, "la')
        file.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def half_file(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Stand in for ``torch.save``: write some bytes and die."""
    args[1].write(b"PK\x03\x04 half a checkpoint")
    args[1].flush()
    os.kill(os.getpid(), signal.SIGKILL)


def small_files(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """From now on no file of this process may grow beyond some bytes, as if the disk were full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (fault_options["bytes"], resource.RLIM_INFINITY))
    return original(*args, **kwargs)


def no_space(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(Path("full")))


def clock_back(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Set this process's clock back by a day, then go on."""
    real_time = time.time
    time.time = lambda: real_time() - 86400

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=1)

    autoal.rundir.ledger.datetime = Yesterday  # type: ignore[attr-defined]
    return original(*args, **kwargs)


def remove(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Remove folders or files, as somebody who tidies up does, then go on."""
    for path in map(Path, fault_options["paths"]):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return original(*args, **kwargs)


def no_locks(original: Callable[..., Any], *args: Any, fault_options: Options, **kwargs: Any) -> Any:
    """Stand in for ``fcntl.flock``, from now on: fail as on a file system that knows no locks."""

    def flock(*args: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock
    flock()
