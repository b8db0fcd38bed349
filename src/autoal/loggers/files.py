"""The run directory's own figures and log lines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from autoal.analysis.plots import plot_curve
from autoal.loggers.base import Row, RunInfo, RunListener

log = logging.getLogger(__name__)


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

    def start(self, info: RunInfo) -> None:
        """Note where files go."""
        self._run_dir = info.run_dir
        log.info("%s: %s, recipe %s", "resumed" if info.resumed else "started", self._title, info.recipe)

    def round(self, rows: Sequence[Row]) -> None:
        """Redraw the figures and log the round."""
        row = rows[-1]
        log.info("round %d: %d labels, test accuracy %.4f", row["round"], row["n_labeled"], row["test_acc"])
        plot_curve(rows, self._run_dir / "curve.png", self._title)
        self._write_figures(self._run_dir, rows)
