"""``hydra/launcher=local_pool``: the runs of a sweep as processes of one machine, one device each."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from autoal.errors import AutoALError
from autoal.processes.signals import StopRequest
from autoal.sweeps.cells import Cell, cells, unfinished
from autoal.sweeps.devices import Devices
from autoal.sweeps.ends import report, results
from autoal.sweeps.workers import Limit, Workers


class LocalPoolLauncher(Launcher):
    """Keeps a number of cells running until all are done.

    Args:
        processes: Cells at a time; None: one per GPU, or one per two CPU cores without a GPU.
        devices: The GPUs to hand out, by number; None: all that there are.
        threads: CPU threads per cell; None: the cores divided by the processes.
        timeout_min: Minutes that a cell may run; None: as long as it wants.
        signal_delay_s: How many seconds before that limit it is told to save and stop.
    """

    def __init__(
        self,
        processes: int | None = None,
        devices: Sequence[int] | None = None,
        threads: int | None = None,
        timeout_min: float | None = None,
        signal_delay_s: float = 120,
    ) -> None:
        self._devices = Devices(processes, devices, threads)
        self._limit = Limit(None if timeout_min is None else 60 * timeout_min, signal_delay_s)
        if self._limit.seconds is not None and not 0 <= signal_delay_s < self._limit.seconds:
            raise AutoALError(
                f"hydra.launcher.signal_delay_s={signal_delay_s} leaves nothing of "
                f"hydra.launcher.timeout_min={timeout_min}: it counts back from the limit, in seconds"
            )

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
        left, done = unfinished(every)
        note = f", {len(done)} finished already" if done else ""
        print(f"{len(left)} runs, {self._devices.processes} at a time{note}", flush=True)
        stop = StopRequest()
        sweep = Path(str(self._config.hydra.sweep.dir)).absolute()
        with tempfile.TemporaryDirectory(prefix="autoal-pool-") as folder:
            workers = Workers(self._devices, self.payload, Path(folder), stop, self._limit)
            ends = report(workers.run(deque(left)), sweep, len(done))
        if stop.signum:
            stop.leave(stop.signum)
        return results(every, done, ends)

    def payload(self, cell: Cell) -> bytes:
        """Return what a cell's process needs, pickled."""
        import cloudpickle  # type: ignore[import-untyped]  # the task function lives in __main__

        packed: bytes = cloudpickle.dumps((self._context, self._task, cell.config, Singleton.get_state()))
        return packed
