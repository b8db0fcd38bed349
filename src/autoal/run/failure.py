"""The record of a sweep's cell that failed before it had a run directory, so that every view shows the failure."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from autoal.config.root import plain
from autoal.errors import AutoALError
from autoal.processes.launch import global_rank
from autoal.run.summary import summary
from autoal.rundir.directory import RunDir
from autoal.rundir.locks import take_lock
from autoal.rundir.names import LOCK
from autoal.rundir.resume import same_cell
from autoal.rundir.state import never_started, read_summary


def record_failure(
    run_dir: Path, config: DictConfig, overrides: Sequence[str], message: str, error: Exception
) -> None:
    """Write into a cell's directory that it failed, and why; what is there stays.

    Nothing is written where the run has recorded the failure itself, where another process is at work, or where
    another experiment stands. Nothing is raised either: the error that is recorded is the one that counts.

    Args:
        run_dir: The cell's directory.
        config: Its composed config.
        overrides: Its overrides.
        message: What went wrong, in one line.
        error: The error; the traceback of one that nobody expected goes into ``train.log``.
    """
    if global_rank() != 0:
        return
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = take_lock(run_dir / LOCK)
        if lock is None:
            return
        try:
            _write(RunDir(run_dir), _plain(config), overrides, message, error)
        finally:
            lock.release()
    except (OSError, AutoALError):
        return


def _write(run: RunDir, config: dict[str, Any], overrides: Sequence[str], message: str, error: Exception) -> None:
    said = read_summary(run.path)
    started = said is not None and not never_started(run.path)
    if started:
        same_cell(run.path, config)  # refuses another experiment
    if started and said is not None:
        if said.get("status") in ("finished", "failed"):
            # Failed a moment ago, by its own account; or it failed before, and what is new is in the log.
            said = None if said["status"] == "finished" else {**said, "message": message}
        else:
            said = {**said, "status": "failed", "message": message}
    else:
        run.write_config(config, overrides)
        said = _summary(config, message)
    if said is None:
        return
    with run.log_file.open("a", encoding="utf-8") as file:
        file.write(f"error: {message}\n")
        if not isinstance(error, AutoALError) and not getattr(error, "__notes__", None):
            traceback.print_exception(error, file=file)
    run.write_summary(said)


def _plain(config: DictConfig) -> dict[str, Any]:
    try:
        return plain(config, complete=False)
    except Exception:  # what can't be resolved may be the very error
        return plain(cast("dict[str, Any]", OmegaConf.to_container(config, resolve=False)))


def _summary(config: Mapping[str, Any], message: str) -> dict[str, Any]:
    strategy = config.get("strategy")
    name = str(strategy.get("name")) if isinstance(strategy, Mapping) else str(strategy)
    try:
        return summary(config, name, [], {}, "failed", message)
    except (KeyError, TypeError, ValueError, AttributeError):
        # A config that lacks a part has no recipe; that it failed can still be said.
        return {"status": "failed", "message": message, "strategy": name, "seed": config.get("seed")}
