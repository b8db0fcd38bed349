"""The processes that run the cells of a study: fed one cell at a time, stopped with the study."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoal.processes.signals import EXIT_INTERRUPTED, EXIT_STOPPED, StopRequest, stop_signals
from autoal.rundir.state import mark_failed

WORKER = [sys.executable, "-m", "autoal.run.study_worker"]
LEAVING = 30.0
"""Seconds that a worker with nothing left to do may take to end."""


@dataclass(frozen=True)
class StudyJob:
    """A cell as a worker needs it.

    Attributes:
        title: What it is called in messages.
        kind: Cells of one kind take about as long as each other.
        overrides: What it is composed from.
        run_dir: Where its files go.
    """

    title: str
    kind: str
    overrides: tuple[str, ...]
    run_dir: Path


@dataclass(frozen=True)
class StudyEnd:
    """How a cell ended.

    Attributes:
        job: Which.
        status: ``"finished"``, ``"failed"``, ``"waiting"`` or ``"stopped"`` (told to, and saved).
        message: Why it failed.
        seconds: How long it took.
        result: What its summary says of its accuracy.
    """

    job: StudyJob
    status: str
    message: str = ""
    seconds: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)


class _StudyWorker:
    """One process and the cell that it runs."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.job: StudyJob | None = None
        self.process = subprocess.Popen(
            [*WORKER, str(os.getpid())],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches it once, through the study
        )

    def give(self, job: StudyJob) -> None:
        assert self.process.stdin is not None
        self.job = job
        line = json.dumps({"overrides": job.overrides, "run_dir": str(job.run_dir)}) + "\n"
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it has died, which the end of its answers tells

    def take(self) -> StudyEnd:
        """Return the end of its cell, once there is something to read."""
        assert self.process.stdout is not None
        assert self.job is not None
        job, self.job = self.job, None
        line = self.process.stdout.readline()
        if line.endswith(b"\n"):
            said = json.loads(line)
            known = {key: said.pop(key, default) for key, default in (("message", ""), ("seconds", 0.0))}
            return StudyEnd(job, said.pop("status"), **known, result=said)
        code = self.process.wait()
        if code in (EXIT_STOPPED, EXIT_INTERRUPTED):
            return StudyEnd(job, "stopped")
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        message = f"its process was {how}" if code < 0 else f"its process {how}"
        mark_failed(job.run_dir, message, running=True)
        return StudyEnd(job, "failed", message)

    def dismiss(self) -> None:
        """Let it end: there is nothing more to do."""
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue
        try:
            self.process.wait(LEAVING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class StudyWorkers:
    """Runs jobs in processes that outlive them, so that each imports the package once.

    Args:
        processes: How many at a time.
        stop: Takes the signals of this process; they go on to every worker, and no job is begun then.
    """

    def __init__(self, processes: int, stop: StopRequest) -> None:
        self._processes = processes
        self._stop = stop
        self._staff: list[_StudyWorker] = []

    def run(self, jobs: Sequence[StudyJob]) -> Iterator[StudyEnd]:
        """Run jobs in their order, and yield each end when it happens.

        Args:
            jobs: What to run.
        """
        left = deque(jobs)
        self._stop.install()
        for signum in stop_signals():
            signal.signal(signum, lambda s, frame: self._pass_on(s))
        selector = selectors.DefaultSelector()
        try:
            for _ in range(min(self._processes, len(left))):
                self._hire(selector, left)
            while self._staff:
                for key, _ in selector.select():
                    worker: _StudyWorker = key.data
                    end = worker.take()
                    alive = worker.process.poll() is None and end.status != "stopped"
                    if alive and left and not self._stop.signum:
                        worker.give(left.popleft())
                    else:
                        selector.unregister(key.fileobj)
                        worker.dismiss()
                        self._staff.remove(worker)
                        if left and not self._stop.signum and end.status != "stopped":
                            self._hire(selector, left)
                    yield end
        finally:
            selector.close()
            for worker in self._staff:
                worker.process.kill()
                worker.dismiss()
            self._stop.restore()

    def _hire(self, selector: selectors.DefaultSelector, left: deque[StudyJob]) -> None:
        single = {"OMP_NUM_THREADS": "1"} if self._processes > 1 else {}
        worker = _StudyWorker({**single, **os.environ})
        self._staff.append(worker)
        assert worker.process.stdout is not None
        selector.register(worker.process.stdout, selectors.EVENT_READ, worker)
        worker.give(left.popleft())

    def _pass_on(self, signum: int) -> None:
        self._stop.signum = self._stop.signum or signum
        for worker in self._staff:
            if worker.process.poll() is None:
                worker.process.send_signal(signum)


class TimeLeft:
    """Says how each job ended, and how long the others will take by what those of their kind took.

    Args:
        jobs: All jobs.
        processes: How many run at a time.
    """

    def __init__(self, jobs: Sequence[StudyJob], processes: int) -> None:
        self._left = Counter(job.kind for job in jobs)
        self._processes = processes
        self._seconds: dict[str, list[float]] = {}

    def line(self, end: StudyEnd) -> str:
        """Return one line on a job that has ended.

        Args:
            end: How.
        """
        self._left[end.job.kind] -= 1
        self._seconds.setdefault(end.job.kind, []).append(end.seconds)
        accuracy, area = end.result.get("final_acc"), end.result.get("aubc")
        numbers = [f"{100 * accuracy:.2f}%"] if accuracy is not None else []
        numbers += [f"AUBC {100 * area:.2f}%"] if area is not None else []
        what = " ".join([end.status, *numbers]) if end.status != "finished" else ", ".join(numbers)
        left = self.seconds()
        return f"{end.job.title}: {what}, {end.seconds:.1f} s" + (f"; {duration(left)} left" if left else "")

    def seconds(self) -> float:
        """Return an estimate of the seconds until all jobs are done."""
        means = {kind: sum(values) / len(values) for kind, values in self._seconds.items()}
        usual = sum(means.values()) / max(1, len(means))
        work = sum(count * means.get(kind, usual) for kind, count in self._left.items())
        return work / max(1, min(self._processes, self._left.total()))


def duration(seconds: float) -> str:
    """Return a span of time as people say it.

    Args:
        seconds: The span.

    Example:
        >>> duration(42), duration(600), duration(9000)
        ('about 42 s', 'about 10 min', 'about 2.5 h')
    """
    if seconds < 60:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
