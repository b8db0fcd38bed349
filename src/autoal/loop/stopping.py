"""Asking, on every rank at the same step, whether any of them was told to stop."""

from __future__ import annotations

import time

from autoal.distributed import World
from autoal.processes.signals import StopRequest


class StopAgreement:
    """Turns the stop requests of single ranks into one decision of all.

    A signal reaches the ranks at different steps, or only one of them; each must save at the same step or
    the next collective never returns. One process asks itself after every step. Several processes ask each
    other about once a second, after a number of steps that rank 0 derives from its own pace.

    Args:
        request: This rank's request.
    """

    SECONDS = 0.5
    MOST_STEPS = 256

    def __init__(self, request: StopRequest) -> None:
        self.request = request
        self._world = World()
        self._steps = 0
        self._interval = 1
        self._asked = time.monotonic()

    def place(self, world: World) -> None:
        """Learn who the others are."""
        self._world = world

    def step_done(self) -> int:
        """Count a step; returns the signal if it is time to ask and some rank was told to stop, else 0."""
        self._steps += 1
        if self._steps < self._interval:
            return 0
        return self.ask()

    def ask(self) -> int:
        """Ask every rank now; returns the signal or 0. All ranks must call it at the same point."""
        if self._world.size == 1:
            return self.request.signum
        now = time.monotonic()
        pace = max(now - self._asked, 1e-6) / max(self._steps, 1)
        wanted = min(max(int(self.SECONDS / pace), 1), self.MOST_STEPS) if self._world.is_main else 0
        signum, self._interval = self._world.largest([self.request.signum, wanted])
        self._steps, self._asked = 0, now
        return signum
