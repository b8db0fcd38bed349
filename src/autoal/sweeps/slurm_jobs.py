"""SLURM jobs as a launcher sees them: which are in the queue, how one ended, which cell each is.

Asks ``squeue`` and ``scontrol`` only: ``sacct`` knows nothing on clusters without accounting.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from autoal.errors import AutoALError
from autoal.files import write_json
from autoal.rundir.locks import Lock, take_lock

ASK_S = 60
"""Seconds that SLURM may take for an answer."""


def in_queue() -> dict[str, str] | None:
    """Return this user's jobs that wait or run; None if SLURM does not answer.

    Returns:
        Id, of array tasks ``12_3`` -> name.
    """
    said = _ask("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i %j")
    if said is None:
        return None
    return dict(line.strip().partition(" ")[::2] for line in said.splitlines() if line.strip())


def how_it_ended(job: str) -> str:
    """Return the state in which a job ended, e.g. ``CANCELLED``; empty once SLURM has forgotten it.

    Args:
        job: Its id.
    """
    words = (_ask("scontrol", "show", "job", job) or "").split()
    return next((word.partition("=")[2] for word in words if word.startswith("JobState=")), "")


def rename(job: str, name: str) -> None:
    """Give a job a name that ``squeue`` and ``sacct`` show. It has none of its own as part of an array.

    Args:
        job: Its id.
        name: The name; a job that is over keeps the one it has.
    """
    _ask("scontrol", "update", f"JobId={job}", f"JobName={name}")


def _ask(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


class JobBook:
    """Which job each cell of a sweep was last sent as: a launcher that starts again waits for those still there.

    Args:
        folder: The sweep's folder for SLURM's files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "jobs.json"
        self._lock: Lock | None = None

    def open(self) -> dict[str, str]:
        """Take the book, so that no second launcher sends the same cells; returns name of a cell -> job id.

        Raises:
            AutoALError: If another launcher has it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(self._folder / ".lock")
        if self._lock is None:
            sweep = self._folder.parent
            raise AutoALError(f"another launcher is sending the jobs of {sweep}; try again in a moment")
        try:
            said = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}

    def close(self, jobs: Mapping[str, str] | None = None) -> None:
        """Give the book back.

        Args:
            jobs: Its new content; None: as it was.
        """
        if jobs is not None:
            write_json(self._file, dict(jobs))
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def link(self, name: str, job: str) -> None:
        """Let a cell's log be found by its name: ``.submitit/<cell>`` points to ``.submitit/<job>``.

        Args:
            name: The cell's directory name.
            job: The job's id.
        """
        link = self._folder / name.replace("/", "_")
        try:
            link.unlink(missing_ok=True)
            link.symlink_to(job)
        except OSError:
            return  # a file system without links; the logs are there by number
