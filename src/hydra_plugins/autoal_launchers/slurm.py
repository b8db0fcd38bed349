"""``hydra/launcher=slurm``: one SLURM job per run of a sweep, through submitit."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from omegaconf import open_dict

from autoal.console.terminal import say
from autoal.errors import AutoALError
from autoal.processes.signals import Stopped, StopRequest
from autoal.sweeps.cells import Cell, cells, unfinished
from autoal.sweeps.ends import End, failure_of, is_finished, report, results
from autoal.sweeps.slurm_jobs import JobBook, how_it_ended, in_queue, rename

try:
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher as _Submitit
except ImportError:  # an optional dependency; the error comes when somebody asks for the launcher
    from hydra.plugins.launcher import Launcher as _Submitit

SHARED = (
    *("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name"),
    "stderr_to_stdout",
)
"""Settings that submitit knows by these names; the others are SLURM's."""

LOOK_S = 1.0
"""Seconds between two looks at the files of the jobs."""

ASK_S = (2.0, 30.0)
"""Seconds between two questions to SLURM, at first and at last."""

LATE_S = 15.0
"""Seconds that a network file system may take to show what a job wrote last."""


class SlurmLauncher(_Submitit):  # type: ignore[misc]
    """Submits the cells that are not finished or in the queue, as one job array, and waits for all.

    Args:
        **params: ``conf/hydra/launcher/slurm.yaml``.
    """

    def __init__(self, **params: Any) -> None:
        if not hasattr(_Submitit, "_EXECUTOR"):
            raise AutoALError("hydra/launcher=slurm needs submitit; install it with: pip install 'autoal[slurm]'")
        super().__init__(**params)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the sweep.

        Args:
            job_overrides: The overrides of each cell.
            initial_job_idx: Number of the first.

        Raises:
            AutoALError: If SLURM refused the jobs.
        """
        every = cells(self.hydra_context, self.config, job_overrides, initial_job_idx)
        sweep = Path(str(self.config.hydra.sweep.dir)).absolute()
        stop = StopRequest()
        stop.install()
        try:
            with stop.waiting():  # a job that has been sent is written down
                done, jobs = self._send(every, sweep)
            stop.check()
            ends = report(self._wait(jobs), sweep, len(done))
        except Stopped as stopped:
            say(f"the jobs go on without this command; the same command waits for them again: {sweep}", sys.stderr)
            stop.leave(stopped.signum)
        finally:
            stop.restore()
        return results(every, done, ends)

    def _send(self, every: Sequence[Cell], sweep: Path) -> tuple[dict[int, JobReturn], list[tuple[Cell, str]]]:
        """Send what has to run; returns what was finished before, and the jobs to wait for."""
        book = JobBook(sweep / ".submitit")
        known = book.open()
        new: dict[str, str] = {}
        try:
            left, done = unfinished(every)
            there = in_queue() if known else {}
            if there is None:
                raise AutoALError("squeue does not say which jobs of the sweep are still in the queue; try again")
            waiting = [cell for cell in left if self._is_there(cell, known, there)]
            left = [cell for cell in left if not self._is_there(cell, known, there)]
            notes = [f"{len(left)} jobs to SLURM"]
            notes += [f"{len(waiting)} in the queue already"] if waiting else []
            notes += [f"{len(done)} finished already"] if done else []
            say(f"{', '.join(notes)}: {sweep}")
            new = self._submit(left) if left else {}
        finally:
            book.close({**known, **new} if new else None)
        for cell in left:
            rename(new[_key(cell)], self._job_name(cell))
            book.link(_key(cell), new[_key(cell)])
        jobs = {**known, **new}
        return done, [(cell, jobs[_key(cell)]) for cell in (*waiting, *left)]

    def _is_there(self, cell: Cell, known: Mapping[str, str], there: Mapping[str, str]) -> bool:
        # A number may have gone to another job since; the name is the array's until the job has its own.
        return there.get(known.get(_key(cell), "")) in (self._job_name(cell), str(self.params["name"]))

    def _job_name(self, cell: Cell) -> str:
        return f"{self.params['name']}-{_key(cell)}"

    def _submit(self, left: Sequence[Cell]) -> dict[str, str]:
        """Hand cells to SLURM; returns name of a cell -> job id."""
        import submitit  # heavy, and only now needed

        params = dict(self.params)
        folder = params.pop("submitit_folder")
        try:
            executor = submitit.AutoExecutor(
                folder, cluster="slurm", slurm_max_num_timeout=params.pop("max_num_timeout")
            )
            executor.update_parameters(**{k if k in SHARED else f"slurm_{k}": v for k, v in params.items()})
            jobs = executor.map_array(
                self,
                [cell.overrides for cell in left],
                [str(cell.config.hydra.sweep.subdir) for cell in left],
                [cell.number for cell in left],
                [Singleton.get_state()] * len(left),
            )
        except Exception as error:
            text = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise AutoALError(f"SLURM refused the jobs: {text[-1]}") from error
        return {_key(cell): str(job.job_id) for cell, job in zip(left, jobs, strict=True)}

    def __call__(self, overrides: list[str], subdir: str, number: int, singletons: dict[type, Any]) -> JobReturn:
        """Run one cell, inside its job.

        Args:
            overrides: The cell's overrides.
            subdir: Its directory below the sweep's.
            number: Its number.
            singletons: Hydra's state.

        Raises:
            AutoALError: If it failed, so that the job ends with an error too.
        """
        Singleton.set_state(singletons)
        setup_globals()
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
            config.hydra.sweep.subdir = subdir
        result = run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        if result.status != JobStatus.COMPLETED:
            print(f"error: {result._return_value}", file=sys.stderr, flush=True)
            raise AutoALError(str(result._return_value))
        return result

    def _wait(self, jobs: Sequence[tuple[Cell, str]]) -> Iterator[End]:
        """Yield each end when it happens."""
        left, gone = {job: cell for cell, job in jobs}, set[str]()
        pause, last = ASK_S[0], time.monotonic()
        while left:
            time.sleep(LOOK_S)
            there: Mapping[str, str] | None = None
            if time.monotonic() - last > pause:
                there, last, pause = in_queue(), time.monotonic(), min(1.5 * pause, ASK_S[1])
            for job, cell in list(left.items()):
                absent = there is not None and job not in there
                # Twice, so that a job between two entries of the queue is not taken for one that has ended.
                if self._result(job).exists() or (absent and job in gone):
                    del left[job]
                    yield self._end(cell, job)
                elif absent:
                    gone.add(job)
                    pause = ASK_S[0]
                elif there is not None:
                    gone.discard(job)

    def _end(self, cell: Cell, job: str) -> End:
        log = self._folder(job) / f"{job}_0_log.{'out' if self.params.get('stderr_to_stdout') else 'err'}"
        if self._result(job).exists():
            patience = time.monotonic() + LATE_S
            while not is_finished(cell) and failure_of(cell) is None and time.monotonic() < patience:
                time.sleep(LOOK_S)
        else:
            state = how_it_ended(job)
            if state.startswith("CANCELLED"):
                return End(cell, "cancelled", f"job {job} was cancelled; the same command goes on", log)
            time.sleep(LOOK_S)
            if not is_finished(cell) and failure_of(cell) is None:
                how = f"in state {state}" if state else "without a result"
                return End(cell, "failed", f"job {job} ended {how}; the same command goes on", log)
        if is_finished(cell):
            return End(cell, "finished")
        return End(cell, "failed", failure_of(cell) or f"job {job} failed", log)

    def _folder(self, job: str) -> Path:
        return Path(str(self.params["submitit_folder"]).replace("%j", job)).absolute()

    def _result(self, job: str) -> Path:
        return self._folder(job) / f"{job}_0_result.pkl"


def _key(cell: Cell) -> str:
    return str(cell.config.hydra.sweep.subdir)
