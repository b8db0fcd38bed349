"""The run directory's own figures, log lines, and what callbacks log."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoal.analysis.plots import plot_curve
from autoal.files import atomic_open
from autoal.loggers.base import Row, RunInfo, RunListener
from autoal.rundir.names import CALLBACKS, CURVE

log = logging.getLogger(__name__)

DRAW_EVERY = 5.0
"""Least seconds before a drawing: one takes longer than a round of a small run, and grows with the rows."""

DRAW_SHARE = 0.02
"""The share of a run's time that drawings may take."""


class FileListener(RunListener):
    """Keeps ``curve.png``, the strategy's figures and ``train.log`` up to date.

    Args:
        title: Title of the learning curve.
        write_figures: Draws the strategy's own figures.
    """

    def __init__(self, title: str, write_figures: Callable[[Path, Sequence[Row]], object]) -> None:
        self._title = title
        self._write_figures = write_figures
        self._run_dir = Path()
        self._undrawn: Sequence[Row] = ()
        self._next = 0.0
        self._resumed = False

    def start(self, info: RunInfo) -> None:
        """Note where files go."""
        self._run_dir = info.run_dir
        self._resumed = info.resumed
        self._next = time.monotonic() + DRAW_EVERY
        log.info("%s: %s, recipe %s", "resumed" if info.resumed else "started", self._title, info.recipe)

    def logged(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append to ``callbacks.jsonl``, which loses what a resumed run repeats."""
        path = self._run_dir / CALLBACKS
        if self._resumed:
            _forget_from(step, path)
            self._resumed = False
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")

    def round(self, rows: Sequence[Row]) -> None:
        """Log the round, and redraw the figures unless that was done a moment ago."""
        row = rows[-1]
        log.info("round %d: %d labels, test accuracy %.4f", row["round"], row["n_labeled"], row["test_acc"])
        self._undrawn = rows
        if time.monotonic() >= self._next:
            self._draw()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Draw what the last rounds have left undrawn."""
        self._draw()

    def _draw(self) -> None:
        rows, self._undrawn = self._undrawn, ()
        if not rows:
            return
        start = time.monotonic()
        plot_curve(rows, self._run_dir / CURVE, self._title)
        self._write_figures(self._run_dir, rows)
        now = time.monotonic()
        self._next = now + max(DRAW_EVERY, (now - start) / DRAW_SHARE)


def _forget_from(step: int, path: Path) -> None:
    """Drop the lines of a step and of later ones, and one that a kill has cut off."""
    if not path.exists():
        return
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("}\n")]
    with atomic_open(path) as file:
        file.writelines(line for line in lines if json.loads(line)["step"] < step)
