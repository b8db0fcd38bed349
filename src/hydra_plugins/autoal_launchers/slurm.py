"""``hydra/launcher=slurm``: one SLURM job per run of a sweep, through submitit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn

from autoal.errors import AutoALError
from autoal.sweeps.cells import cells

try:
    from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher as _Submitit
except ImportError:  # an optional dependency; the error comes when somebody asks for the launcher
    from hydra.plugins.launcher import Launcher as _Submitit


class SlurmLauncher(_Submitit):  # type: ignore[misc]
    """Submits the cells that are not finished, as one job array, and waits for them.

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
            AutoALError: If a job failed or SLURM refused it.
        """
        every = cells(self.hydra_context, self.config, job_overrides, initial_job_idx)
        results = {cell.number: cell.finished() for cell in every}
        left = [cell for cell in every if results[cell.number] is None]
        sweep = Path(str(self.config.hydra.sweep.dir)).absolute()
        done = len(every) - len(left)
        print(
            f"{len(left)} jobs to SLURM" + (f", {done} finished already" if done else "") + f": {sweep}",
            flush=True,
        )
        if left:
            try:
                submitted = super().launch([cell.overrides for cell in left], initial_job_idx)
            except Exception as error:
                text = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
                raise AutoALError(
                    f"a job of the sweep failed: {text[-1]}; logs are in {sweep / '.submitit'}, "
                    f"an overview gives: autoal status {sweep}"
                ) from error
            results.update(zip((cell.number for cell in left), submitted, strict=True))
        return [result for cell in every if (result := results[cell.number]) is not None]
