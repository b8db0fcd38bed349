"""From a composed config to a finished run: what ``train.py`` calls."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from autoal.errors import unknown_name
from autoal.logs import quiet
from autoal.processes.launch import placement, run_ranks
from autoal.rundir.resume import Start, resumed, same_cell

ROOT_KEYS = (
    "dataset",
    "backbone",
    "strategy",
    "optimizer",
    "loop",
    "trainer",
    "logger",
    "paths",
    "seed",
    "resume",
)


def run(config: DictConfig, run_dir: Path) -> dict[str, Any]:
    """Run or resume the experiment of a config.

    Args:
        config: A composed config.
        run_dir: Where a new run's files go.

    Returns:
        The content of ``summary.json``.

    Raises:
        AutoALError: For any error of the user.
    """
    for key in config:
        if key not in ROOT_KEYS:
            raise unknown_name("key", str(key), ROOT_KEYS)
    start = _start(config, run_dir)
    if start.summary is not None:
        print(f"finished already: {start.run_dir}")
        return start.summary
    place = placement(start.config["trainer"])
    if place is not None:
        return run_ranks(place, start.config, start.run_dir, overrides(), start.resume)
    from autoal.run.experiment import Experiment  # heavy, and not needed by a process that only starts others

    quiet()  # after Lightning's import, which sets up its loggers
    return Experiment.build(start.config, start.run_dir, overrides(), start.resume).run(start.resume)


def _start(config: DictConfig, run_dir: Path) -> Start:
    composed = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(composed, dict)
    plain = {str(k): v for k, v in composed.items()}
    if plain.get("resume"):
        return resumed(Path(str(plain["resume"])).absolute(), plain, overrides())
    if _may_stand_there():
        return same_cell(run_dir, plain)
    return Start(plain, run_dir, resume=False)


def _may_stand_there() -> bool:
    """Whether an earlier part of this very run may stand in the run directory.

    It may in a sweep that is started again, and in a job that the batch system has requeued.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    requeued = int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0
    return requeued or (HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN)


def overrides() -> list[str]:
    """Return the command line's overrides of this job, for the run directory's record."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
