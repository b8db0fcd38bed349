"""From a composed config to a finished run: what ``train.py`` calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from autoal.config.instantiate import targets
from autoal.config.root import check_root, plain
from autoal.errors import AutoALError
from autoal.humans.answers import Desk
from autoal.humans.session import has_people
from autoal.humans.status import EXIT_UNANSWERED
from autoal.humans.waiting import missing_line
from autoal.logs import quiet
from autoal.loop.settings import LoopConfig
from autoal.processes.launch import placement, run_ranks
from autoal.processes.supervisor import RankFailure
from autoal.rundir.resume import Start, resumed, same_cell
from autoal.rundir.state import mark_failed, read_summary


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
    composed = check_root(plain(config))
    start = _start(composed, run_dir)
    trust = trusted(composed)
    if start.summary is not None:
        print(f"finished already: {start.run_dir}")
        return start.summary
    if start.resume and has_people(start.config):
        standing = Desk(start.run_dir).latest()
        if standing is not None and not standing.complete:
            return _still_waiting(start, missing_line(start.run_dir, standing))
    place = placement(start.config["trainer"])
    if place is not None:
        try:
            return run_ranks(place, start.config, start.run_dir, overrides(), start.resume, trust)
        except RankFailure as failure:
            mark_failed(start.run_dir, str(failure), running=not failure.unexplained)
            raise AutoALError(str(failure)) from failure
    from autoal.run.experiment import Experiment  # heavy, and not needed by a process that only starts others

    quiet()  # after Lightning's import, which sets up its loggers
    built = Experiment.build(start.config, start.run_dir, overrides(), start.resume, trust)
    return built.run(start.resume)


def _still_waiting(start: Start, line: str) -> dict[str, Any]:
    """Say what is missing; a single run ends with status 75, a sweep goes on with its next cell."""
    print(line)
    if _in_sweep():
        return read_summary(start.run_dir) or {}
    raise SystemExit(EXIT_UNANSWERED)


def trusted(composed: Mapping[str, Any]) -> list[str]:
    """Return what this command line names as trusted: its ``trust``, and every class that it composes.

    A run directory that is resumed is no part of it: what its config names counts only if this command line
    names it too.

    Args:
        composed: The config that this command line composes.
    """
    return [*(composed.get("trust") or ()), *(target for _, target in targets(composed))]


def _start(composed: dict[str, Any], run_dir: Path) -> Start:
    if composed.get("resume"):
        start = resumed(Path(str(composed["resume"])).absolute(), composed, overrides())
    elif _may_stand_there():
        start = same_cell(run_dir, composed)
    else:
        start = Start(composed, run_dir, resume=False)
    config = check_root(start.config)
    LoopConfig.from_config(config["loop"])
    return replace(start, config=config)


def _may_stand_there() -> bool:
    """Whether an earlier part of this very run may stand in the run directory.

    It may in a sweep that is started again, and in a job that the batch system has requeued.
    """
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0 or _in_sweep()


def _in_sweep() -> bool:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.initialized() and bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def overrides() -> list[str]:
    """Return the command line's overrides of this job, for the run directory's record."""
    from hydra.core.hydra_config import HydraConfig

    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
