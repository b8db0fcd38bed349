"""How the cells of a sweep ended: the line that a launcher prints, and what Hydra's sweeper is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from autoal.console.terminal import say
from autoal.errors import AutoALError
from autoal.rundir.state import read_summary
from autoal.sweeps.cells import Cell, value_of

STATES = ("finished", "failed", "stopped", "cancelled")


@dataclass(frozen=True)
class End:
    """The end of one cell.

    Attributes:
        cell: Which.
        state: ``"finished"``, ``"failed"``; ``"stopped"``: told to, and saved; ``"cancelled"``: by the batch
            system.
        reason: Why it is not finished, in one line.
        log: Where what it printed is.
    """

    cell: Cell
    state: str
    reason: str = ""
    log: Path | None = None

    @property
    def line(self) -> str:
        """One line for the person who watches the sweep."""
        if self.state == "finished":
            return f"finished: {self.cell.name}  ({self.cell.run_dir})"
        return f"{self.state}: {self.cell.name}: {self._why}"

    @property
    def _why(self) -> str:
        return f"{self.reason} (log: {self.log})" if self.log is not None else self.reason

    def returned(self) -> JobReturn:
        """Return what Hydra's sweeper is given: the cell's value, or an error that it raises."""
        if self.state == "finished":
            return self.cell.returned(JobStatus.COMPLETED, value_of(read_summary(self.cell.run_dir) or {}))
        error = AutoALError(f"{self.cell.name} {self.state}: {self._why}")
        return self.cell.returned(JobStatus.FAILED, error)


def failure_of(cell: Cell) -> str | None:
    """Return what a cell's own summary says about its failure; None if it has not failed.

    Args:
        cell: A cell that has ended.
    """
    summary = read_summary(cell.run_dir) or {}
    return str(summary.get("message") or "no reason given") if summary.get("status") == "failed" else None


def is_finished(cell: Cell) -> bool:
    """Whether a cell's own summary says that it has finished, or that it waits for people, which is no failure."""
    return (read_summary(cell.run_dir) or {}).get("status") in ("finished", "waiting")


def report(ends: Iterable[End], sweep: Path, before: int) -> list[End]:
    """Print each end when it happens, and the totals where something is amiss.

    Args:
        ends: The cells as they end.
        sweep: The sweep's directory.
        before: Number of cells that had been finished before.

    Returns:
        All of them.
    """
    seen = []
    for end in ends:
        say(end.line)
        seen.append(end)
    totals = Counter(end.state for end in seen)
    totals["finished"] += before
    if any(totals[state] for state in STATES[1:]):
        counts = ", ".join(f"{totals[state]} {state}" for state in STATES if totals[state])
        say(f"{counts}; an overview gives: autoal status {sweep}")
    return seen


def results(every: Sequence[Cell], done: dict[int, JobReturn], ends: Sequence[End]) -> list[JobReturn]:
    """Return what each entry of a sweep returned, in order; entries that are one cell share it.

    Args:
        every: The cells, one per entry.
        done: Number of a cell that was finished before -> what it returned.
        ends: How the others ended.
    """
    by_number = {**done, **{end.cell.number: end.returned() for end in ends}}
    return [by_number[cell.number] for cell in every if cell.number in by_number]
