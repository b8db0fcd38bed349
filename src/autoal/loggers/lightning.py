"""What Lightning's callbacks log, on its way to this package's loggers."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers.logger import Logger

from autoal.loggers.base import RunListener


class ListenerLogger(Logger):
    """The trainer's logger where an experiment has callbacks: hands their numbers to the listeners.

    Args:
        run_dir: The run directory.
        listeners: Told on rank 0; other ranks have none.
        steps_before: Optimiser steps before this process began: Lightning counts from 0 after a resume.
    """

    def __init__(self, run_dir: Path, listeners: Sequence[RunListener], steps_before: Callable[[], int]) -> None:
        super().__init__()
        self._run_dir = run_dir
        self._listeners = tuple(listeners)
        self._steps_before = steps_before

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "autoal"

    @property
    def version(self) -> str:
        """The run, whose directory has been named already."""
        return self._run_dir.name

    @property
    def save_dir(self) -> str:
        """The run directory, where a profiler or a callback writes its own files."""
        return str(self._run_dir)

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Hand numbers on, with the number of optimiser steps of the whole run."""
        # Lightning adds its running epoch, which says nothing in a fit of many rounds.
        own = {key: float(value) for key, value in metrics.items() if key != "epoch"}
        if own:
            for listener in self._listeners:
                listener.logged(self._steps_before() + (step or 0), own)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Keep none: the config says it all."""
