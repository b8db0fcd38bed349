"""What the files of a run directory say about the run that stands there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from autoal.config.values import shown
from autoal.errors import AutoALError
from autoal.files import write_json
from autoal.rundir.names import CHECKPOINTS, CONFIG, LEDGER, ROUNDS, SUMMARY


def load_summary(run_dir: Path) -> dict[str, Any]:
    """Read a run's ``summary.json``.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is not valid JSON.
        TypeError: If it is not an object.
    """
    summary = json.loads((run_dir / SUMMARY).read_bytes())
    if not isinstance(summary, dict):
        raise TypeError(f"{SUMMARY} is not a JSON object")
    return summary


def read_summary(run_dir: Path) -> dict[str, Any] | None:
    """Read a run's ``summary.json``; None where there is none that can be read."""
    try:
        return load_summary(run_dir)
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def is_finished(run_dir: Path) -> bool:
    """Whether a directory holds a run that has finished."""
    return (read_summary(run_dir) or {}).get("status") == "finished"


def mark_failed(run_dir: Path, message: str, running: bool = False) -> None:
    """Write into the summary what ended the run, which a killed rank 0 could not.

    Args:
        run_dir: The run directory.
        message: What ended it.
        running: Only if the summary knows nothing of an end yet.
    """
    summary = read_summary(run_dir)
    if summary is None:
        return  # it died before there was a summary
    if summary.get("status") == "running" or (not running and summary.get("status") != "finished"):
        write_json(run_dir / SUMMARY, {**summary, "status": "failed", "message": message})


def never_started(run_dir: Path) -> bool:
    """Whether all that stands in a directory is the record of a run that failed before it bought a label.

    Args:
        run_dir: The run directory.

    Returns:
        True if a run may start there from nothing, with whatever config.
    """
    summary = read_summary(run_dir)
    if summary is None or summary.get("status") != "failed" or summary.get("n_labeled"):
        return False
    return not any((run_dir / name).exists() for name in (LEDGER, ROUNDS, CHECKPOINTS))


def holds_run(run_dir: Path) -> bool:
    """Whether a run was started in a directory: its config stands there."""
    return (run_dir / CONFIG).is_file()


def read_config(run_dir: Path, groups: Sequence[str] = ("dataset", "paths")) -> dict[str, Any]:
    """Read the composed config of a run.

    Args:
        run_dir: The run directory.
        groups: Those that it must have.

    Raises:
        AutoALError: If there is no run, or its config can't be read or lacks a group.
    """
    path = run_dir / CONFIG
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AutoALError(f"{shown(run_dir)} holds no run (no {CONFIG})") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        # A YAML tag that would make an object is an error of the safe loader, too.
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise AutoALError(f"cannot read {shown(path)}: {shown(reason)}") from error
    if not isinstance(config, dict):
        raise AutoALError(f"{path} is damaged: it is not the config of a run")
    missing = [group for group in groups if not isinstance(config.get(group), dict)]
    if missing:
        raise AutoALError(f"{path} is damaged: it has no {missing[0]}")
    return {str(k): v for k, v in config.items()}
