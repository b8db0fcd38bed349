"""``hydra/launcher=basic``, the default: the runs of a sweep one after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from autoal.rundir.names import LOG
from autoal.sweeps.cells import Cell, cells, unfinished
from autoal.sweeps.ends import End, report, results


class BasicLauncher(Launcher):
    """Runs one cell after the other and says of each how it ended, where Hydra's own waits until the very end."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every launcher."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the sweep.

        Args:
            job_overrides: The overrides of each cell.
            initial_job_idx: Number of the first.
        """
        setup_globals()
        every = cells(self._context, self._config, job_overrides, initial_job_idx)
        left, done = unfinished(every)
        note = f", {len(done)} finished already" if done else ""
        print(f"{len(left)} runs, one after the other{note}", flush=True)
        ends = report(self._run(left), Path(str(self._config.hydra.sweep.dir)).absolute(), len(done))
        return results(every, done, ends)

    def _run(self, left: Sequence[Cell]) -> Iterator[End]:
        for number, cell in enumerate(left, 1):
            print(f"run {number} of {len(left)}: {cell.name}", flush=True)
            result = run_job(
                hydra_context=self._context,
                task_function=self._task,
                config=cell.config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
            configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
            if result.status == JobStatus.COMPLETED:
                yield End(cell, "finished")
            else:
                log = cell.run_dir / LOG
                yield End(cell, "failed", str(result._return_value), log if log.exists() else None)
