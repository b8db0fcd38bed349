"""The cells of a sweep, for launchers: where each runs, and which are finished already.

Imports nothing heavy: launchers run in the process that a person waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from autoal.rundir.resume import same_cell


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        overrides: What makes it differ from the others.
        number: Its number in the sweep.
        config: The composed config, with Hydra's own node.
        run_dir: Its run directory.
    """

    overrides: list[str]
    number: int
    config: DictConfig
    run_dir: Path

    @property
    def name(self) -> str:
        """The overrides in one line."""
        return " ".join(filter_overrides(self.overrides))

    def finished(self) -> JobReturn | None:
        """Return what the cell returned when it finished, or None if it has to run.

        Raises:
            AutoALError: If another experiment stands in its directory.
        """
        task = OmegaConf.masked_copy(self.config, [str(k) for k in self.config if k != "hydra"])
        plain = OmegaConf.to_container(task, resolve=True)
        assert isinstance(plain, dict)
        summary = same_cell(self.run_dir, {str(k): v for k, v in plain.items()}).summary
        return None if summary is None else self.returned(JobStatus.COMPLETED, summary.get("final_acc"))

    def returned(self, status: JobStatus, value: Any) -> JobReturn:
        """Return a result as Hydra's sweeper wants it."""
        result = JobReturn()
        result.overrides, result.cfg, result.status = self.overrides, self.config, status
        result.return_value = value
        return result


def cells(
    context: HydraContext, config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int
) -> list[Cell]:
    """Compose the cells of a sweep.

    Args:
        context: Hydra's own.
        config: The sweep's config.
        job_overrides: The overrides of each cell.
        first: Number of the first.
    """
    found = []
    for number, overrides in enumerate(job_overrides, first):
        composed = context.config_loader.load_sweep_config(config, list(overrides))
        with open_dict(composed):
            composed.hydra.job.id = composed.hydra.job.num = number
        run_dir = Path(str(composed.hydra.sweep.dir)) / str(composed.hydra.sweep.subdir)
        found.append(Cell(list(overrides), number, composed, run_dir.absolute()))
    return found
