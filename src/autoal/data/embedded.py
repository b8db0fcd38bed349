"""A folder of features that ``autoal embed`` wrote: which files it has, and when it is complete."""

from __future__ import annotations

from pathlib import Path

from autoal.errors import AutoALError

CARD = "features.json"
"""Says what the features were made of; written last, so a folder that has it is complete."""
PROGRESS = "progress.jsonl"
"""Which rows are in the files; gone when the folder is complete."""


def check_finished(folder: Path) -> None:
    """Refuse a folder whose features are still being made: the missing rows would read as zeros.

    Raises:
        AutoALError: If it is one.
    """
    if (folder / PROGRESS).exists() and not (folder / CARD).exists():
        raise AutoALError(f"{folder} is unfinished: run the same autoal embed again, it goes on where it stopped")
