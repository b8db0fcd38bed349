"""The processes of a local pool: started, watched, stopped with their launcher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoal.console.invocation import VARIABLE, program
from autoal.processes.signals import EXIT_INTERRUPTED, EXIT_STOPPED, StopRequest, stop_signals
from autoal.rundir.names import OUTPUT
from autoal.sweeps.cells import Cell
from autoal.sweeps.devices import Devices
from autoal.sweeps.ends import End, failure_of

POLL = 0.1
CELL = [sys.executable, "-m", "autoal.sweeps.process"]


@dataclass(frozen=True)
class Limit:
    """How long a cell may run.

    Attributes:
        seconds: Until it is killed; None: as long as it wants.
        notice: How many seconds before that it is told to save and stop.
    """

    seconds: float | None = None
    notice: float = 120.0


@dataclass
class _Running:
    """A cell at work."""

    cell: Cell
    process: subprocess.Popen[bytes]
    gpus: list[str]
    started: float = field(default_factory=time.monotonic)
    told: bool = False


class Workers:
    """Runs cells in processes, as many at a time as the devices allow.

    Args:
        devices: What is dealt out.
        payload: Makes what a cell's process needs, pickled.
        folder: A scratch folder.
        stop: Takes the signals of this process; they go on to every cell, and no other is started then.
        limit: How long a cell may run.
    """

    def __init__(
        self,
        devices: Devices,
        payload: Callable[[Cell], bytes],
        folder: Path,
        stop: StopRequest,
        limit: Limit | None = None,
    ) -> None:
        self._devices = devices
        self._payload = payload
        self._folder = folder
        self._stop = stop
        self._limit = limit or Limit()
        self._running: list[_Running] = []

    def run(self, left: deque[Cell]) -> Iterator[End]:
        """Run cells until all are done, and yield each end when it happens.

        Args:
            left: The cells; taken from the left.

        Raises:
            AutoALError: If a cell asks for devices that there are not.
        """
        for cell in left:
            self._devices.wanted(cell.config.get("trainer", {}))
        self._stop.install()
        for signum in stop_signals():
            signal.signal(signum, lambda s, frame: self._pass_on(s))
        try:
            while self._running or (left and not self._stop.signum):
                while left and not self._stop.signum and self._start(left[0]):
                    left.popleft()
                for one in list(self._running):
                    self._mind(one)
                    if one.process.poll() is not None:
                        self._running.remove(one)
                        self._devices.give_back(one.gpus)
                        yield self._end(one)
                time.sleep(POLL)
        finally:
            for one in self._running:
                one.process.kill()
            if not self._stop.signum:
                self._stop.restore()

    def _start(self, cell: Cell) -> bool:
        """Start a cell if there is room for it."""
        if len(self._running) >= self._devices.processes:
            return False
        count = self._devices.wanted(cell.config.get("trainer", {}))
        gpus = self._devices.take(count)
        if gpus is None:
            return False
        payload = self._folder / f"{cell.number}.job"
        payload.write_bytes(self._payload(cell))
        cell.run_dir.mkdir(parents=True, exist_ok=True)
        with _log(cell).open("ab") as log:
            process = subprocess.Popen(
                [*CELL, str(payload), str(os.getpid())],
                env={VARIABLE: program(), **os.environ, **self._devices.environment(gpus, count)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(_Running(cell, process, gpus))
        return True

    def _mind(self, one: _Running) -> None:
        """Tell a cell that its time is over, and end one that does not listen."""
        if self._limit.seconds is None or one.process.poll() is not None:
            return
        left = one.started + self._limit.seconds - time.monotonic()
        if left < self._limit.notice and not one.told:
            one.told = True
            one.process.send_signal(signal.SIGTERM)
        if left < 0:
            # The session, so that what it has started goes with it.
            os.killpg(one.process.pid, signal.SIGKILL)

    def _pass_on(self, signum: int) -> None:
        self._stop.signum = self._stop.signum or signum
        for one in self._running:
            if one.process.poll() is None:
                one.process.send_signal(signum)

    def _end(self, one: _Running) -> End:
        cell, code = one.cell, one.process.returncode
        if code == 0:
            return End(cell, "finished")
        limit = f"its time limit of {(self._limit.seconds or 0) / 60:g} min was over"
        if code in (EXIT_STOPPED, EXIT_INTERRUPTED):
            why = limit if one.told else "told to stop"
            return End(cell, "stopped", f"{why}; the same command goes on", _log(cell))
        error = self._folder / f"{cell.number}.error"
        if error.exists():
            reason = json.loads(error.read_text(encoding="utf-8"))
        elif one.told and code == -signal.SIGKILL:
            reason = f"{limit}, and it did not stop when it was told to"
        elif code < 0:
            reason = f"killed by {signal.Signals(-code).name}"
        else:
            reason = failure_of(cell) or f"ended with status {code}"
        return End(cell, "failed", reason, _log(cell))


def _log(cell: Cell) -> Path:
    return cell.run_dir / OUTPUT
