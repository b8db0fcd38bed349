"""The processes of one machine that work on one experiment: started together, stopped together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from autoal.processes.signals import EXIT_INTERRUPTED, EXIT_STOPPED, StopRequest, stop_signals

LEAVE_PATIENCE = 15.0
"""Seconds that the other ranks get to notice that one has gone, before they are killed."""

STOP_PATIENCE = 40.0
"""Seconds that the other ranks get to leave when one has saved and stopped.

Together with what the step and the save take before, less than the warning that a batch system gives: the job must
be requeued before its time is over.
"""

TELL_AFTER = 10.0
"""Seconds after which ranks that have not stopped along with one are told to.

They agree on a stop by themselves, and a second signal would end one that is saying its last words.
"""

POLL = 0.1


class RankFailure(Exception):
    """One rank failed and all have been stopped.

    Args:
        message: What happened, in one line.
        unexplained: Whether the rank could not say so itself.
    """

    def __init__(self, message: str, unexplained: bool) -> None:
        super().__init__(message)
        self.unexplained = unexplained


class Ranks:
    """Starts, watches and stops the ranks.

    Each rank leads a session of its own, so a Ctrl-C reaches only the supervisor, which passes it on; rank
    0 has the terminal, what the others write to stderr is kept for the case that one of them fails first.

    Args:
        command: What each rank runs.
        environments: The environment of each.
        folder: A scratch folder, where rank r reports in ``rank<r>.json``.
        listener: A socket that the first rank inherits; None: there is none.
    """

    def __init__(
        self,
        command: Sequence[str],
        environments: Sequence[Mapping[str, str]],
        folder: Path,
        listener: socket.socket | None = None,
    ) -> None:
        self._command = list(command)
        self._environments = environments
        self._folder = folder
        self._listener = listener
        self._processes: list[subprocess.Popen[bytes]] = []
        self._killed: set[int] = set()

    def run(self, stop: StopRequest) -> int:
        """Run all ranks to their end; returns the signal that stopped them, or 0.

        Args:
            stop: Takes the signals of this process, which go on to every rank.

        Raises:
            RankFailure: If a rank failed.
        """
        stop.install()
        stop.wait()
        for signum in stop_signals():
            signal.signal(signum, lambda s, frame: self._pass_on(stop, s, frame))
        try:
            self._start()
            first = self._watch()
            if first is not None:
                self._judge(first, stop)
            return stop.signum
        finally:
            self._kill()
            if not stop.signum:
                stop.restore()

    def result(self) -> dict[str, Any]:
        """Return what rank 0 of the experiment reported; empty on machines other than the first."""
        summary: dict[str, Any] = self._report(0).get("summary") or {}
        return summary

    def _start(self) -> None:
        for i, env in enumerate(self._environments):
            with (self._folder / f"rank{i}.err").open("wb") as err:
                process = subprocess.Popen(
                    self._command,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=None if i == 0 else subprocess.DEVNULL,
                    stderr=None if i == 0 else err,
                    start_new_session=True,
                    pass_fds=() if i or self._listener is None else (self._listener.fileno(),),
                )
            self._processes.append(process)
        if self._listener is not None:
            self._listener.close()  # the first rank has it now

    def _pass_on(self, stop: StopRequest, signum: int, frame: FrameType | None) -> None:
        stop.signum = stop.signum or signum
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signum)

    def _watch(self) -> int | None:
        """Wait for the end; returns the first rank that ended badly, after the others have gone too."""
        while True:
            states = [p.poll() for p in self._processes]
            bad = [i for i, state in enumerate(states) if state not in (None, 0)]
            if bad:
                stopped = self._processes[bad[0]].returncode in (EXIT_STOPPED, EXIT_INTERRUPTED)
                self._wait_for_others(STOP_PATIENCE if stopped else LEAVE_PATIENCE, tell=stopped)
                return bad[0]
            if all(state == 0 for state in states):
                return None
            time.sleep(POLL)

    def _wait_for_others(self, patience: float, tell: bool) -> None:
        begun = time.monotonic()
        while time.monotonic() < begun + patience and any(p.poll() is None for p in self._processes):
            if tell and time.monotonic() > begun + TELL_AFTER:
                tell = False
                for process in self._processes:
                    if process.poll() is None:
                        process.send_signal(signal.SIGTERM)
            time.sleep(POLL)
        self._kill()

    def _kill(self) -> None:
        for i, process in enumerate(self._processes):
            if process.poll() is None:
                self._killed.add(i)
                # The session, so that what a rank has started goes with it.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _judge(self, first: int, stop: StopRequest) -> None:
        """Say why the ranks have ended: a stop, or an error."""
        codes = [p.returncode for p in self._processes]
        if EXIT_STOPPED in codes or EXIT_INTERRUPTED in codes or (stop.signum and -stop.signum in codes):
            stop.signum = stop.signum or (signal.SIGINT if EXIT_INTERRUPTED in codes else signal.SIGTERM)
            return
        dead = [i for i, code in enumerate(codes) if code < 0 and i not in self._killed]
        for rank in (first, *range(len(codes))):
            report = self._report(rank)
            # Where a rank was killed from outside, the others only report that its connection broke.
            if report.get("error") and (report.get("explained") or not dead):
                raise RankFailure(str(report["error"]), unexplained=False)
        rank = dead[0] if dead else first
        code = codes[rank]
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        self._show_stderr(rank)
        raise RankFailure(f"rank {rank} of {len(codes)} {how}; all ranks have been stopped", unexplained=True)

    def _report(self, rank: int) -> dict[str, Any]:
        try:
            report: dict[str, Any] = json.loads((self._folder / f"rank{rank}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return report

    def _show_stderr(self, rank: int) -> None:
        path = self._folder / f"rank{rank}.err"
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        sys.stderr.write("".join(f"rank {rank}: {line}\n" for line in text.splitlines()[-20:]))
