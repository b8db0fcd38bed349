"""A process that ends with the one that started it: saved if it can, and never left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

from autoal.processes.signals import EXIT_INTERRUPTED

PR_SET_PDEATHSIG = 1
GRACE = 30.0
"""Seconds that a process may take to save after the one that started it has died."""


def end_with(parent: int, grace: float = GRACE) -> None:
    """Have the kernel send SIGTERM when the parent dies, and leave for good some time later.

    Args:
        parent: Process id of the parent; if it is gone already, this process ends at once.
        grace: Seconds between the two.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    threading.Thread(target=_outlive, args=(parent, grace), name="autoal-parent", daemon=True).start()


def _outlive(parent: int, grace: float) -> None:
    # A process that saves may wait for one that has left.
    while os.getppid() == parent:
        time.sleep(1)
    if not sys.platform.startswith("linux"):
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os._exit(EXIT_INTERRUPTED)
