"""Find run directories and read what they measured, believing nothing that contradicts itself."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autoal.analysis.curves import FloatArray, aubc
from autoal.console.invocation import resume_command
from autoal.errors import AutoALError
from autoal.rundir.names import LEDGER, ROUNDS, SUMMARY
from autoal.rundir.state import holds_run, load_summary

__all__ = ["DamagedRun", "Problem", "Run", "find_runs", "read_run"]

_MARKERS = frozenset({SUMMARY, ROUNDS, LEDGER})
_SUMMARY_KEYS = ("status", "dataset", "backbone", "strategy", "seed", "recipe")
# rounds.csv and summary.json may be rounded to different digits; an edit worth noticing is larger.
_TOLERANCE = 2e-4


@dataclass(frozen=True)
class Problem:
    """Something about the input that the reader of a report must know.

    Attributes:
        kind: ``unfinished``, ``failed``, ``damaged``, ``duplicate``, ``missing`` or ``warning``.
        where: The run directory, or the setting, that it is about.
        message: One line for people.
    """

    kind: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.message}"


CEILING = " (ceiling)"
"""Stands behind the name of what read true labels, in every table and figure."""


class DamagedRun(Exception):
    """A run directory whose files are incomplete or contradict each other; the message is one line."""


@dataclass
class Run:
    """One finished experiment.

    Attributes:
        path: The run directory.
        dataset: Data-set name.
        backbone: Backbone name.
        strategy: Strategy name; replaced by a longer label where runs differ in strategy settings.
        seed: Seed of the experiment.
        recipe: Hash of everything that defines the curve except strategy and seed.
        n_labeled: Labelled-set size after each round, shape ``(R,)``.
        columns: Every numeric column of ``rounds.csv``, NaN where a field is empty; each of shape ``(R,)``.
        summary: ``summary.json`` as read.
        aubc: Area under the budget curve, computed here from the test accuracies.
    """

    path: Path
    dataset: str
    backbone: str
    strategy: str
    seed: int
    recipe: str
    n_labeled: FloatArray
    columns: dict[str, FloatArray]
    summary: dict[str, Any] = field(repr=False)
    aubc: float = math.nan

    @property
    def pair_key(self) -> tuple[str, int]:
        """What makes two runs a pair: the seed, and the toolkit whose seed it is.

        Seed 1 of another toolkit drew another initial set, so that it pairs only with runs of that toolkit.
        """
        return str(self.summary.get("imported_from") or ""), self.seed

    @property
    def acc(self) -> FloatArray:
        """Test accuracy after each round, fractions, shape ``(R,)``."""
        return self.columns["test_acc"]

    @property
    def final_acc(self) -> float:
        """Test accuracy after the last round."""
        return float(self.acc[-1])


def find_runs(roots: Iterable[str | Path]) -> list[Path]:
    """List the run directories at and below some folders.

    A folder with a ``summary.json``, ``rounds.csv`` or ``ledger.jsonl`` is a run; so is one in which Hydra left
    a config and nothing was written after, so that a job that died at once is reported and not overlooked.

    Args:
        roots: Run directories, multirun directories or any tree above them.

    Returns:
        The directories, sorted, each once even if it is below two of the roots.

    Raises:
        AutoALError: If a root does not exist or is no directory.
    """
    found: set[Path] = set()
    for root in roots:
        top = Path(root)
        if not top.is_dir():
            kind = "is not a directory" if top.exists() else "does not exist"
            raise AutoALError(f"{top} {kind}; give run directories or a folder above them")
        found.update(_walk(top))
    return sorted({path.resolve(): path for path in found}.values())


def _walk(top: Path) -> Iterator[Path]:
    for folder, children, names in os.walk(top):
        if _MARKERS.intersection(names) or holds_run(Path(folder)):
            yield Path(folder)
            children.clear()
        else:
            children[:] = sorted(name for name in children if not name.startswith("."))


def read_run(path: Path) -> Run | Problem:
    """Read one run directory.

    Args:
        path: The run directory.

    Returns:
        The run if it finished, else the problem that says why it is left out.

    Raises:
        DamagedRun: If the files are incomplete or contradict each other.
    """
    summary = _read_summary(path)
    status = summary["status"]
    if status == "failed":
        reason = str(summary.get("message") or "no message").splitlines()[0]
        return Problem("failed", str(path), reason)
    if status != "finished":
        done = f"{_count_rows(path)} rounds so far"
        return Problem(
            "unfinished", str(path), f"status is '{status}', {done}; continue it with: {resume_command(path)}"
        )
    columns = _read_rounds(path / ROUNDS)
    _check_curve(columns, summary)
    return Run(
        path=path,
        dataset=str(summary["dataset"]),
        backbone=str(summary["backbone"]),
        strategy=str(summary["strategy"]) + (CEILING if summary.get("ceiling") is True else ""),
        seed=int(summary["seed"]),
        recipe=str(summary["recipe"]),
        n_labeled=columns["n_labeled"],
        columns=columns,
        summary=summary,
        aubc=aubc(columns["n_labeled"], columns["test_acc"]),
    )


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = load_summary(path)
    except FileNotFoundError:
        raise DamagedRun(f"no {SUMMARY}: the run died before its first round") from None
    except ValueError:
        raise DamagedRun(f"{SUMMARY} is not valid JSON: half-written or edited") from None
    except TypeError as error:
        raise DamagedRun(str(error)) from None
    absent = [key for key in _SUMMARY_KEYS if summary.get(key) in (None, "")]
    # A run that failed early may not know its recipe yet; it is listed as failed, which says more.
    if absent and summary.get("status") != "failed":
        raise DamagedRun(f"{SUMMARY} lacks {', '.join(absent)}")
    if "seed" not in absent and not _is_integer(summary["seed"]):
        raise DamagedRun(f"{SUMMARY}: seed is '{summary['seed']}', not an integer")
    return summary


def _is_integer(value: object) -> bool:
    try:
        return float(str(value)) == int(float(str(value)))
    except (ValueError, OverflowError):
        return False


def _count_rows(path: Path) -> int:
    try:
        return max(0, (path / ROUNDS).read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def _read_rounds(file: Path) -> dict[str, FloatArray]:
    try:
        with file.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
    except FileNotFoundError:
        raise DamagedRun(f"no {ROUNDS} although the run is marked as finished") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DamagedRun(f"{ROUNDS} cannot be read: {error}") from None
    if len(rows) < 2:
        raise DamagedRun(f"{ROUNDS} holds no round although the run is marked as finished")
    header, body = rows[0], rows[1:]
    for name in ("round", "n_labeled", "test_acc"):
        if name not in header:
            raise DamagedRun(f"{ROUNDS} lacks the column {name}")
    for line, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise DamagedRun(
                f"{ROUNDS} line {line} has {len(row)} fields instead of {len(header)}: half-written or edited"
            )
    required = {"round", "n_labeled", "test_acc"}
    columns: dict[str, FloatArray] = {}
    for index, name in enumerate(header):
        try:
            columns[name] = np.array([float(row[index]) if row[index] else math.nan for row in body])
        except ValueError:
            # A column of words (a strategy may log a name) is no measurement; in a required one it is damage.
            if name in required:
                bad = next(row[index] for row in body if not _is_number(row[index]))
                raise DamagedRun(f"{ROUNDS}: {name} is '{bad}', not a number") from None
    return columns


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == ""
    return True


def _check_curve(columns: Mapping[str, FloatArray], summary: Mapping[str, Any]) -> None:
    sizes, acc, rounds = columns["n_labeled"], columns["test_acc"], columns["round"]
    if not np.all(np.isfinite(sizes)) or not np.all(np.diff(sizes) > 0):
        raise DamagedRun(f"{ROUNDS}: n_labeled does not increase from round to round: edited or written twice")
    if not np.all(np.diff(rounds) == 1):
        raise DamagedRun(f"{ROUNDS}: the round numbers are not consecutive: a row was removed or added")
    if not np.all((acc >= 0) & (acc <= 1)):
        bad = acc[~((acc >= 0) & (acc <= 1))][0]
        raise DamagedRun(f"{ROUNDS}: test_acc is {bad:g}, accuracies are fractions between 0 and 1")
    measured = {"final_acc": float(acc[-1]), "aubc": aubc(sizes, acc), "n_labeled": float(sizes[-1])}
    for key, value in measured.items():
        stated = summary.get(key)
        if stated is None or not _is_number(str(stated)):
            continue
        if not math.isclose(float(stated), value, rel_tol=0.0, abs_tol=_TOLERANCE):
            raise DamagedRun(
                f"{ROUNDS} gives {key} {value:.6g}, {SUMMARY} says {float(stated):.6g}: one was edited"
            )
