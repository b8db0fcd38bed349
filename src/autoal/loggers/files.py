"""The run directory's own figures and log lines."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoal.analysis.plots import plot_curve
from autoal.loggers.base import Row, RunInfo, RunListener

log = logging.getLogger(__name__)

DRAW_EVERY = 5.0
"""Seconds between two drawings: a drawing takes longer than a round of a small run, and grows with the rows."""


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
        self._drawn = -math.inf

    def start(self, info: RunInfo) -> None:
        """Note where files go."""
        self._run_dir = info.run_dir
        log.info("%s: %s, recipe %s", "resumed" if info.resumed else "started", self._title, info.recipe)

    def round(self, rows: Sequence[Row]) -> None:
        """Log the round, and redraw the figures unless that was done a moment ago."""
        row = rows[-1]
        log.info("round %d: %d labels, test accuracy %.4f", row["round"], row["n_labeled"], row["test_acc"])
        self._undrawn = rows
        if time.monotonic() - self._drawn >= DRAW_EVERY:
            self._draw()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Draw what the last rounds have left undrawn."""
        self._draw()

    def _draw(self) -> None:
        rows, self._undrawn = self._undrawn, ()
        if not rows:
            return
        plot_curve(rows, self._run_dir / "curve.png", self._title)
        self._write_figures(self._run_dir, rows)
        self._drawn = time.monotonic()
