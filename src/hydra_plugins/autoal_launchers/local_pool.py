"""``hydra/launcher=local_pool``: the runs of a sweep as processes of one machine, one device each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from autoal.console.invocation import VARIABLE, program
from autoal.errors import AutoALError
from autoal.processes.signals import EXIT_INTERRUPTED, EXIT_STOPPED, StopRequest, stop_signals
from autoal.sweeps.cells import Cell, cells

POLL = 0.1
CELL = [sys.executable, "-m", "autoal.sweeps.process"]


class LocalPoolLauncher(Launcher):
    """Keeps a number of cells running until all are done.

    Args:
        processes: Cells at a time; None: one per GPU, or one per two CPU cores without a GPU.
        devices: The GPUs to hand out, by number; None: all that there are.
        threads: CPU threads per cell; None: the cores divided by the processes.
    """

    def __init__(
        self, processes: int | None = None, devices: Sequence[int] | None = None, threads: int | None = None
    ) -> None:
        self._gpus = [str(d) for d in devices] if devices is not None else _visible_gpus()
        cores = len(os.sched_getaffinity(0))
        self._processes = processes or len(self._gpus) or max(1, cores // 2)
        if self._processes < 1:
            raise AutoALError(f"hydra.launcher.processes={processes} is not a positive number")
        self._threads = threads or max(1, cores // self._processes)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every launcher."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the sweep.

        Args:
            job_overrides: The overrides of each cell.
            initial_job_idx: Number of the first.
        """
        every = cells(self._context, self._config, job_overrides, initial_job_idx)
        results: dict[int, JobReturn | None] = {cell.number: cell.finished() for cell in every}
        left = deque(cell for cell in every if results[cell.number] is None)
        done = len(every) - len(left)
        note = f", {done} finished already" if done else ""
        print(f"{len(left)} runs, {self._processes} at a time{note}", flush=True)
        stop = StopRequest()
        with tempfile.TemporaryDirectory(prefix="autoal-pool-") as folder:
            pool = _Pool(self, Path(folder), stop)
            for cell, ended in pool.run(left):
                results[cell.number] = ended
                print(f"{_state(ended)}: {cell.name}  ({cell.run_dir})", flush=True)
        if stop.signum:
            stop.leave(stop.signum)
        return [r for r in results.values() if r is not None]

    def payload(self, cell: Cell) -> bytes:
        """Return what a cell's process needs, pickled."""
        import cloudpickle  # type: ignore[import-untyped]  # the task function lives in __main__

        packed: bytes = cloudpickle.dumps((self._context, self._task, cell.config, Singleton.get_state()))
        return packed

    def environment(self, slot: int) -> dict[str, str]:
        """Return the environment of the process in a slot: its device and its share of the cores."""
        env = {VARIABLE: program(), **os.environ, "OMP_NUM_THREADS": str(self._threads)}
        if self._gpus:
            env["CUDA_VISIBLE_DEVICES"] = self._gpus[slot % len(self._gpus)]
        return env

    @property
    def slots(self) -> int:
        """Cells at a time."""
        return self._processes


class _Pool:
    """The processes that run now, each in a slot."""

    def __init__(self, launcher: LocalPoolLauncher, folder: Path, stop: StopRequest) -> None:
        self._launcher = launcher
        self._folder = folder
        self._stop = stop
        self._running: dict[int, tuple[Cell, subprocess.Popen[bytes]]] = {}

    def run(self, left: deque[Cell]) -> Iterator[tuple[Cell, JobReturn]]:
        """Run all cells and yield each as it ends; a signal goes to those that run and starts no other."""
        self._stop.install()
        for signum in stop_signals():
            signal.signal(signum, lambda s, frame: self._pass_on(s))
        try:
            while self._running or (left and not self._stop.signum):
                for slot in range(self._launcher.slots):
                    if slot not in self._running and left and not self._stop.signum:
                        self._start(slot, left.popleft())
                for slot, (cell, process) in list(self._running.items()):
                    if process.poll() is not None:
                        del self._running[slot]
                        yield cell, self._result(cell, process.returncode)
                time.sleep(POLL)
        finally:
            for _, process in self._running.values():
                process.kill()
            if not self._stop.signum:
                self._stop.restore()

    def _start(self, slot: int, cell: Cell) -> None:
        payload = self._folder / f"{cell.number}.job"
        payload.write_bytes(self._launcher.payload(cell))
        cell.run_dir.mkdir(parents=True, exist_ok=True)
        with (cell.run_dir / "output.log").open("ab") as log:
            process = subprocess.Popen(
                [*CELL, str(payload)],
                env=self._launcher.environment(slot),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[slot] = (cell, process)

    def _pass_on(self, signum: int) -> None:
        self._stop.signum = self._stop.signum or signum
        for _, process in self._running.values():
            if process.poll() is None:
                process.send_signal(signum)

    def _result(self, cell: Cell, code: int) -> JobReturn:
        answer = self._folder / f"{cell.number}.result"
        if answer.exists():
            said = json.loads(answer.read_text(encoding="utf-8"))
            if "error" in said:
                return cell.returned(JobStatus.FAILED, AutoALError(said["error"]))
            return cell.returned(JobStatus.COMPLETED, said["value"])
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        if code in (EXIT_STOPPED, EXIT_INTERRUPTED):
            how = "was told to stop"
        error = AutoALError(f"the run {cell.name} {how}; its output is in {cell.run_dir / 'output.log'}")
        return cell.returned(JobStatus.FAILED, error)


def _state(result: Any) -> str:
    return "finished" if result.status == JobStatus.COMPLETED else "failed"


def _visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, without initialising any."""
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is not None:
        return [d for d in wanted.split(",") if d.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(i) for i, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]
