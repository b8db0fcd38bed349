"""``autoal status``: which runs of a sweep are finished, running, stopped, failed or missing."""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autoal.config.variants import chosen, fitting
from autoal.errors import AutoALError
from autoal.rundir.locks import is_locked
from autoal.rundir.names import CONFIG, LEDGER, LOCK, OVERRIDES, ROUNDS, SWEEP
from autoal.rundir.state import read_summary

STATES = ("finished", "running", "waiting", "stopped", "failed", "missing")


@dataclass(frozen=True)
class CellState:
    """One run of a sweep.

    Attributes:
        state: One of :data:`STATES`. A waiting run has asked people; a stopped one has a
            checkpoint to continue from and no process.
        name: Its directory relative to the sweep, or its overrides where there is none.
        n_labeled: Labels bought so far.
        accuracy: Test accuracy of the last round, or None.
        message: What its summary says.
    """

    state: str
    name: str
    n_labeled: int = 0
    accuracy: float | None = None
    message: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("sweep", type=Path, help="a sweep's directory (hydra.sweep.dir), or one run's")
    parser.add_argument("--only", choices=STATES, help="show only the runs in this state")


def run(args: argparse.Namespace) -> int:
    """Print one line per run and a line of totals; status 0 if every run is finished, else 2."""
    found = states(args.sweep)
    for cell in found:
        if args.only in (None, cell.state):
            print(_line(cell))
    totals = Counter(cell.state for cell in found)
    print(", ".join(f"{totals[state]} {state}" for state in STATES if totals[state]))
    return 0 if totals["finished"] == len(found) else 2


def states(sweep: Path) -> list[CellState]:
    """Look at every run of a sweep.

    Args:
        sweep: The sweep's directory.

    Raises:
        AutoALError: If there is no sweep and no run.
    """
    runs = sorted(path.parents[1] for path in sweep.rglob(CONFIG))
    wanted = _wanted(sweep / SWEEP)
    if not runs and not wanted:
        raise AutoALError(f"{sweep} holds neither a sweep nor a run (no {SWEEP}, no {CONFIG})")
    there = {frozenset(_overrides(run)) for run in runs}
    missing = [" ".join(cell) for cell in wanted if frozenset(cell) not in there]
    return [_state(run, sweep) for run in runs] + [CellState("missing", name) for name in missing]


def _state(run: Path, sweep: Path) -> CellState:
    summary = read_summary(run) or {}
    status = str(summary.get("status", ""))
    if is_locked(run / LOCK):
        state = "running"
    elif status in ("finished", "failed", "waiting"):
        state = status
    else:
        # Killed or stopped: it continues from its checkpoint, or from its ledger.
        state = "stopped"
    name = str(run.relative_to(sweep)) if run != sweep else str(run)
    labels = _count_lines(run / LEDGER)
    message = _asked(run) if state == "waiting" else str(summary.get("message") or "")
    return CellState(state, name, labels, _last_accuracy(run), message)


def _asked(run: Path) -> str:
    """Return how far people are with what a run asks them."""
    from autoal.humans.answers import Desk
    from autoal.humans.place import progress_line

    standing = Desk(run).latest()
    return "" if standing is None else progress_line(standing)


def _line(cell: CellState) -> str:
    accuracy = "      -" if cell.accuracy is None else f"{100 * cell.accuracy:6.2f}%"
    note = f"  ({cell.message})" if cell.message and cell.state in ("failed", "waiting") else ""
    return f"{cell.state:<9} {cell.n_labeled:>7} labels {accuracy}  {cell.name}{note}"


def _count_lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def _last_accuracy(run: Path) -> float | None:
    try:
        header, *rows = (run / ROUNDS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    column = header.split(",").index("test_acc")
    return float(rows[-1].split(",")[column]) if rows else None


def _overrides(run: Path) -> list[str]:
    try:
        overrides: list[str] = yaml.safe_load((run / OVERRIDES).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return []
    return overrides or []


def _wanted(multirun: Path) -> list[tuple[str, ...]]:
    """Return the overrides of every cell that the sweep was last started with."""
    try:
        config: Any = yaml.safe_load(multirun.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, yaml.YAMLError) as error:
        raise AutoALError(f"cannot read {multirun}: {error}") from error
    own = config["hydra"]
    default = str(own.get("runtime", {}).get("choices", {}).get("strategy"))
    wanted = itertools.product(*_choices(own["overrides"]["task"]))
    return list(dict.fromkeys(tuple(fitting(cell, chosen(cell, default))) for cell in wanted))


def _choices(overrides: Iterable[str]) -> list[Sequence[str]]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    choices: dict[str, Sequence[str]] = {}  # of a key that is given twice the last value counts
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        if override.is_sweep_override() and not override.is_discrete_sweep():
            return [[]]  # the sweeper draws values from a range: only it knows what it wants
        if override.is_sweep_override():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            # Written as Hydra's sweeper writes it, which is what each run has on record.
            choices[key] = [f"{key}={override.get_value_element_as_str()}"]
    return list(choices.values())
