"""A run directory: who may write it, and the files in it."""

from __future__ import annotations

import csv
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from autoal.console.invocation import resume_command
from autoal.errors import AutoALError
from autoal.files import atomic_open, reason, write_json
from autoal.rundir import names
from autoal.rundir.ledger import Ledger
from autoal.rundir.locks import Lock, take_lock
from autoal.rundir.predictions import Predictions
from autoal.rundir.state import never_started, read_config

COLUMNS = (
    "round",
    "n_labeled",
    "test_acc",
    "test_loss",
    "test_ece",
    "val_acc",
    "train_acc",
    "epochs",
    "class_balance",
    "seconds_train",
    "seconds_pool",
    "seconds_search",
    "seconds_select",
    "seconds_test",
)
"""The columns of ``rounds.csv`` that every strategy has, in order."""


class RunDir:
    """The files of one run.

    Args:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = Ledger(path / names.LEDGER)
        self.rounds_csv = path / names.ROUNDS
        self.summary_json = path / names.SUMMARY
        self.checkpoint = path / names.CHECKPOINT
        self.log_file = path / names.LOG
        self.curve_png = path / names.CURVE
        self._lock: Lock | None = None

    def claim(self, resume: bool = False, trust: Sequence[str] = ()) -> None:
        """Take the directory for this process; held until the process ends or :meth:`release`.

        Args:
            resume: Whether a run that stands there is to be continued (else it is an error).
            trust: What this command line trusts, for the command that a message names.

        Raises:
            AutoALError: If it can't be written, another process works in it, or it holds a run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = take_lock(self.path / names.LOCK)
        except OSError as error:
            raise AutoALError(f"cannot write the run directory {self.path}: {reason(error)}") from error
        if lock is None:
            raise AutoALError(f"another process is working in the run directory {self.path}")
        self._lock = lock
        taken = self.summary_json.exists() or self.ledger.path.exists()
        if not resume and taken and not never_started(self.path):
            self.release()
            raise AutoALError(
                f"{self.path} already holds a run; continue it with: {resume_command(self.path, trust)} "
                "(or choose another paths.run_dir)"
            )
        self._tidy()

    def release(self) -> None:
        """Give the directory up."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def check(self) -> None:
        """Check that the directory and the ledger are those that this process has been working with.

        Raises:
            AutoALError: If somebody has removed, moved or changed them; nothing is written then.
        """
        self._check_place()
        self.ledger.check()

    def _check_place(self) -> None:
        if self._lock is not None and not self._lock.stands():
            raise AutoALError(f"the run directory {self.path} was removed or moved while the run worked in it")

    def _tidy(self) -> None:
        """Remove temporary files that a killed process has left; whoever holds the lock has none open yet."""
        for path in self.path.rglob(".*.tmp"):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # in nobody's way

    def write_config(self, config: Mapping[str, Any], overrides: Sequence[str]) -> None:
        """Write the composed config and the overrides under ``.hydra``, as Hydra itself would."""
        for name, value in ((names.CONFIG, dict(config)), (names.OVERRIDES, list(overrides))):
            with atomic_open(self.path / name) as file:
                yaml.safe_dump(value, file, sort_keys=False)

    def other_config(self, config: Mapping[str, Any]) -> bool:
        """Whether a config has another number of rounds than the one that is written here."""
        try:
            return bool(read_config(self.path, ("loop",))["loop"]["n_rounds"] != config["loop"]["n_rounds"])
        except (AutoALError, KeyError, TypeError):
            return False

    def write_rounds(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write ``rounds.csv``: the common columns, then whatever the strategy logged.

        Raises:
            AutoALError: If it can't be written, or the directory is not the one of the start.
        """
        self.check()
        extra = [key for row in rows for key in row if key not in COLUMNS]
        header = [*COLUMNS, *dict.fromkeys(extra)]
        with atomic_open(self.rounds_csv) as file:
            writer = csv.DictWriter(file, fieldnames=header, restval="", lineterminator="\n")
            writer.writeheader()
            for row in rows:
                writer.writerow({k: _cell(v) for k, v in row.items()})

    def write_predictions(
        self, round_: int, predicted: NDArray[np.int64], targets: NDArray[np.int64], auroc: float
    ) -> None:
        """Add a round's test predictions to ``predictions.npz``.

        Args:
            round_: The round.
            predicted: Predicted classes, ``(N,)``.
            targets: The classes, ``(N,)``.
            auroc: The area under the ROC curve.

        Raises:
            AutoALError: If it can't be written, or the directory is not the one of the start.
        """
        self.check()
        try:
            there = Predictions.read(self.path)
        except AutoALError:
            there = None  # damaged: what is measured from here on is kept
        (there or Predictions.none()).with_round(round_, predicted, targets, auroc).write(self.path)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``.

        Raises:
            AutoALError: If it can't be written, or the directory is not the one of the start.
        """
        self._check_place()
        try:
            write_json(self.summary_json, dict(summary))
        except AutoALError:
            # A full disk has no room for a new file, but the old one's place is there.
            if not self._overwrite(json.dumps(dict(summary), indent=2) + "\n"):
                raise

    def _overwrite(self, text: str) -> bool:
        """Write the summary over the old one; says whether that went well."""
        try:
            with self.summary_json.open("r+", encoding="utf-8") as file:
                file.write(text)
                file.truncate()
        except OSError:
            return False
        return True


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    # repr keeps every bit of a float; whole numbers of seconds need no more than microseconds.
    return repr(value) if isinstance(value, float) else value


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"python": platform.python_version()}
    for name in ("autoal", "torch", "torchvision", "lightning", "numpy", "scikit-learn"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the commit of the checkout that the package runs from, with ``-dirty`` where it differs."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
