"""What the files of a run directory say about the run that stands there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_summary(run_dir: Path) -> dict[str, Any] | None:
    """Read a run's ``summary.json``; None where there is none that can be read."""
    try:
        summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(summary, dict):
        return None
    return summary


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
    return not any((run_dir / name).exists() for name in ("ledger.jsonl", "rounds.csv", "checkpoints"))
