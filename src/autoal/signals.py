"""Stopping on request: finish the step, save, and leave with a documented exit status.

========  ===========================================================  ===========
signal    who sends it                                                 exit status
========  ===========================================================  ===========
SIGINT    a person (Ctrl-C); a second one does not wait for the save   130
SIGTERM   ``kill``, ``scancel``, pre-emption                           143
SIGUSR1   a batch system before the time limit                         143
SIGUSR2   submitit before the time limit                               143
========  ===========================================================  ===========
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

EXIT_INTERRUPTED = 130
EXIT_STOPPED = 143

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

Handler = Callable[[int, FrameType | None], Any] | int | None


class Stopped(BaseException):
    """The experiment was asked to stop; its state is in the checkpoint.

    Not an ``Exception``, so that no ``except Exception`` on the way holds it up.

    Args:
        signum: The signal that asked.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


def exit_status(signum: int) -> int:
    """Return the exit status of a run that a signal stopped."""
    return EXIT_INTERRUPTED if signum == signal.SIGINT else EXIT_STOPPED


class StopRequest:
    """Remembers a stop signal until the loop can save, or stops at once where nothing is lost by it.

    Attributes:
        signum: The signal that asked first, or 0.
    """

    def __init__(self) -> None:
        self.signum = 0
        self._holds = 0
        self._previous: dict[int, Handler] = {}

    def install(self) -> None:
        """Take the stop signals; what handled them before comes back with :meth:`restore`."""
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may set handlers
        for signum in STOP_SIGNALS:
            found = signal.getsignal(signum)
            self._previous.setdefault(signum, found)
            signal.signal(signum, self._handle)

    def restore(self) -> None:
        """Give the signals back."""
        for signum, handler in self._previous.items():
            signal.signal(signum, handler if handler is not None else signal.SIG_DFL)
        self._previous = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait: inside, it is only remembered; the last hold to end raises it.

        Raises:
            Stopped: At the end, if a signal came.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        self.check()

    def hold(self) -> None:
        """Only remember signals from now on, until :meth:`release`."""
        self._holds += 1

    def release(self) -> None:
        """End one :meth:`hold`, without raising."""
        self._holds -= 1

    def check(self) -> None:
        """Stop if a signal came and nothing holds it.

        Raises:
            Stopped: Naming the signal.
        """
        if self.signum and not self._holds:
            raise Stopped(self.signum)

    def chain(self, signum: int) -> None:
        """Call what handled a signal before this package did, e.g. a batch system's requeue."""
        handler = self._previous.get(signum)
        if callable(handler) and handler is not signal.default_int_handler:
            handler(signum, None)

    def chained(self, signum: int) -> bool:
        """Whether :meth:`chain` has something to call."""
        handler = self._previous.get(signum)
        return callable(handler) and handler is not signal.default_int_handler

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        impatient = self.signum != 0 and signum == signal.SIGINT
        self.signum = self.signum or signum
        if impatient or not self._holds:
            raise Stopped(self.signum)
