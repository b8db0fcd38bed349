"""Stopping on request: finish the step, save, and leave with a documented exit status.

========  ===========================================================  ===========
signal    who sends it                                                 exit status
========  ===========================================================  ===========
SIGINT    a person (Ctrl-C); a second one does not wait for the save   130
SIGTERM   ``kill``, ``scancel``, pre-emption                           143
SIGUSR1   a batch system before the time limit                         143
SIGUSR2   submitit before the time limit                               143
SIGHUP    a terminal that is closed (not where ``nohup`` ignores it)   143
========  ===========================================================  ===========

Before there is anything to save, the same signals end the process at once with the same statuses.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

EXIT_INTERRUPTED = 130
EXIT_STOPPED = 143

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)

REQUEUE_PATIENCE = 30.0
"""Seconds that a rank other than 0 waits for rank 0's batch system to requeue the job."""

Handler = Callable[[int, FrameType | None], Any] | int | None


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the stop signals that this process takes: not SIGHUP where ``nohup`` has it ignored."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return tuple(s for s in STOP_SIGNALS if not (s == signal.SIGHUP and ignored))


def leave_until_ready() -> None:
    """Let stop signals end the process at once, with the documented status, until a run takes them.

    A handler that is there already stays: it is a batch system's.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # Python lets only the main thread set handlers
    for signum in stop_signals():
        if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(signum, _leave_at_once)


def leave_as_usual() -> None:
    """Undo :func:`leave_until_ready`."""
    for signum in STOP_SIGNALS:
        if signal.getsignal(signum) is _leave_at_once:
            usual = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
            signal.signal(signum, usual)


def _leave_at_once(signum: int, frame: FrameType | None) -> None:
    # Not an exception: one that is raised inside an import or a destructor may be swallowed there.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, RuntimeError):
            continue  # closed, or the signal came in the middle of a write
    os._exit(EXIT_INTERRUPTED if signum == signal.SIGINT else EXIT_STOPPED)


class Stopped(BaseException):
    """The experiment was asked to stop; its state is in the checkpoint.

    Not an ``Exception``, so that no ``except Exception`` on the way holds it up.

    Args:
        signum: The signal that asked.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopRequest:
    """Remembers a stop signal until the loop can save, or stops at once where nothing is lost by it.

    Attributes:
        signum: The signal that asked first, or 0.
    """

    def __init__(self) -> None:
        self.signum = 0
        self._waiting = 0
        self._closing = False
        self._previous: dict[int, Handler] = {}

    def install(self) -> None:
        """Take the stop signals; calling it again takes them back from whoever took them since."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets only the main thread set handlers
        for signum in stop_signals():
            self._previous.setdefault(signum, signal.getsignal(signum))
            signal.signal(signum, self._handle)

    def restore(self) -> None:
        """Give the signals back to what handled them before :meth:`install`."""
        for signum, handler in self._previous.items():
            signal.signal(signum, handler if handler is not None else signal.SIG_DFL)

    def wait(self) -> None:
        """From now on only remember signals: the loop asks for them where it can save."""
        self._waiting = 1

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Only remember signals inside the block, impatient ones too: it is short and comes last."""
        self._closing = True
        try:
            yield
        finally:
            self._closing = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Only remember signals inside the block, which writes something that must be whole."""
        before, self._waiting = self._waiting, 1
        try:
            yield
        finally:
            self._waiting = before

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Stop at once inside the block, which holds nothing that is not on disk.

        Raises:
            Stopped: If a signal came before or comes inside.
        """
        before, self._waiting = self._waiting, 0
        try:
            self.check()
            yield
        finally:
            self._waiting = before

    def check(self) -> None:
        """Stop if a signal came and nothing makes it wait.

        Raises:
            Stopped: Naming the signal.
        """
        if self.signum and not self._waiting:
            raise Stopped(self.signum)

    def leave(self, signum: int, main: bool = True) -> NoReturn:
        """End the process as the signal asks, after everything has been saved.

        What handled the signal before goes first: a batch system's handler requeues the job.

        Args:
            signum: The signal.
            main: Whether this is the process that requeues.
        """
        handler = self._previous.get(signum)
        self.restore()
        if callable(handler) and handler not in (signal.default_int_handler, _leave_at_once):
            try:
                handler(signum, None)
            except subprocess.CalledProcessError as error:
                # The batch system ends every process of a job that it requeues, the command that asked included.
                if error.returncode >= 0:
                    raise
            if not main:
                # A step of which one task has ended may be ended as a whole, before rank 0 has requeued it.
                time.sleep(REQUEUE_PATIENCE)
        if signum == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(EXIT_STOPPED)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        impatient = self.signum != 0 and signum == signal.SIGINT
        self.signum = self.signum or signum
        if self._closing:
            return
        if impatient or not self._waiting:
            raise Stopped(self.signum)
