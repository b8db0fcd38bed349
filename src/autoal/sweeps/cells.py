"""The cells of a sweep, for launchers: where each runs, which are finished already, and what each is worth.

Imports nothing heavy: launchers run in the process that a person waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from autoal.config.explain import explain
from autoal.config.variants import PREFIX, chosen, fitting
from autoal.errors import AutoALError
from autoal.rundir.resume import same_cell
from autoal.sweeps.names import constants, directory_name, varying

SUBDIR = "${hydra.job.override_dirname}"
"""``hydra.sweep.subdir`` as ``conf/hydra/default.yaml`` has it; another value is the user's own and counts."""


def value_of(summary: Mapping[str, Any]) -> float | None:
    """Return what a run is worth to a sweeper: its last validation accuracy.

    Test accuracy is for reports only. Whatever starts, restarts or collects cells takes the value from here.

    Args:
        summary: The content of its ``summary.json``.

    Returns:
        None without a validation set (``loop.n_val=0``).
    """
    value = summary.get("val_acc")
    return None if value is None else float(value)


class _Return(JobReturn):
    """A result whose error is the one that is raised, without Hydra's list of the overrides before it."""

    @property
    def return_value(self) -> Any:
        """The cell's value; raises what ended it if it has failed."""
        if self.status == JobStatus.FAILED:
            raise self._return_value
        return self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        overrides: What it is composed from.
        number: Its number in the sweep.
        config: The composed config, with Hydra's own node.
        run_dir: Its run directory.
        items: The overrides that make it differ from others; default: all.
    """

    overrides: list[str]
    number: int
    config: DictConfig
    run_dir: Path
    items: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What makes it differ from others, in one line."""
        return " ".join(self.items or filter_overrides(self.overrides))

    def finished(self) -> JobReturn | None:
        """Return what the cell returned when it finished, or None if it has to run.

        Raises:
            AutoALError: If another experiment stands in its directory.
        """
        task = OmegaConf.masked_copy(self.config, [str(k) for k in self.config if k != "hydra"])
        try:
            plain = OmegaConf.to_container(task, resolve=True)
        except OmegaConfBaseException:
            return None  # the cell itself says what is wrong with it
        assert isinstance(plain, dict)
        summary = same_cell(self.run_dir, {str(k): v for k, v in plain.items()}).summary
        return None if summary is None else self.returned(JobStatus.COMPLETED, value_of(summary))

    def returned(self, status: JobStatus, value: Any) -> JobReturn:
        """Return a result as Hydra's sweeper wants it."""
        result = _Return()
        result.overrides, result.cfg, result.status = self.overrides, self.config, status
        result.return_value = value
        return result


def cells(
    context: HydraContext, config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int
) -> list[Cell]:
    """Compose the cells of a sweep.

    Cells that come out the same, because the option in which they differ is another strategy's, are one cell.

    Args:
        context: Hydra's own.
        config: The sweep's config.
        job_overrides: The overrides of each cell.
        first: Number of the first.

    Returns:
        One cell per entry of ``job_overrides``; entries that are one cell share it.

    Raises:
        AutoALError: If two different cells have one directory.
    """
    constant = constants(config.hydra.overrides.task)
    found: list[Cell] = []
    by_overrides: dict[tuple[str, ...], Cell] = {}
    by_place: dict[Path, Cell] = {}
    for number, given in enumerate(job_overrides, first):
        own = _own(context, config, given)
        if tuple(own) not in by_overrides:
            cell = compose_cell(context, config, own, number, constant)
            other = by_place.setdefault(cell.run_dir, cell)
            if other is not cell:
                raise AutoALError(
                    f"two cells of the sweep have one directory, {cell.run_dir}: {' '.join(other.overrides)}, "
                    f"and {' '.join(own)}; give them a hydra.sweep.subdir that tells them apart"
                )
            by_overrides[tuple(own)] = cell
        found.append(by_overrides[tuple(own)])
    return found


def distinct(every: Sequence[Cell]) -> list[Cell]:
    """Return the cells, each once.

    Args:
        every: What :func:`cells` returned.
    """
    return list({cell.number: cell for cell in every}.values())


def unfinished(every: Sequence[Cell]) -> tuple[list[Cell], dict[int, JobReturn]]:
    """Return the cells that have to run, each once, and what the others returned when they finished, by number.

    Args:
        every: What :func:`cells` returned.

    Raises:
        AutoALError: If another experiment stands in the directory of one.
    """
    done = {cell.number: known for cell in distinct(every) if (known := cell.finished()) is not None}
    return [cell for cell in distinct(every) if cell.number not in done], done


def _own(context: HydraContext, config: DictConfig, given: Sequence[str]) -> list[str]:
    if not any(word.startswith(PREFIX) for word in given):
        return list(given)
    default = ""
    if not any(word.startswith("strategy=") for word in given):
        plain = [word for word in given if not word.startswith(PREFIX)]
        default = str(context.config_loader.load_sweep_config(config, plain).hydra.runtime.choices.strategy)
    return fitting(given, chosen(given, default))


def compose_cell(
    context: HydraContext, config: DictConfig, overrides: list[str], number: int, constant: set[str]
) -> Cell:
    """Compose one cell.

    Args:
        context: Hydra's own.
        config: The sweep's config.
        overrides: The cell's overrides.
        number: Its number in the sweep.
        constant: Keys that have one value in the whole sweep.

    Raises:
        AutoALError: If they don't fit together, in one line.
    """
    try:
        composed = context.config_loader.load_sweep_config(config, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise AutoALError(explain(error, overrides)) from error
    items = varying(overrides, constant)
    with open_dict(composed):
        composed.hydra.job.id = composed.hydra.job.num = number
        if _default_subdir(composed):
            composed.hydra.sweep.subdir = directory_name(
                items or [f"seed={composed.seed}", f"strategy={composed.strategy.name}"]
            )
    run_dir = Path(str(composed.hydra.sweep.dir)) / str(composed.hydra.sweep.subdir)
    return Cell(overrides, number, composed, run_dir.absolute(), items)


def _default_subdir(composed: DictConfig) -> bool:
    raw = OmegaConf.to_container(composed.hydra.sweep, resolve=False)
    given = any(str(word).startswith("hydra.sweep.subdir=") for word in composed.hydra.overrides.hydra)
    return isinstance(raw, dict) and raw.get("subdir") == SUBDIR and not given
