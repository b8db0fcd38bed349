"""TensorBoard, under the same names as W&B."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoal.config.values import Whole
from autoal.errors import AutoALError
from autoal.loggers.base import BoughtBatch, Row, RunInfo, RunListener
from autoal.loggers.metrics import callback_metrics, epoch_prefix, round_metrics


class TensorBoardLogger(RunListener):
    """Writes event files to ``tensorboard/`` in the run directory.

    Args:
        n_images: Images per round; 0 writes none.
    """

    def __init__(self, n_images: Whole = 32) -> None:
        self.n_images = n_images
        self._writer: Any = None

    def start(self, info: RunInfo) -> None:
        """Open the event file.

        Raises:
            AutoALError: If TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise AutoALError("logger=tensorboard needs TensorBoard: pip install 'autoal[tensorboard]'") from error
        self._writer = SummaryWriter(str(info.run_dir / "tensorboard"))

    def epoch(self, round_: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write an epoch under its round's namespace."""
        for key, value in metrics.items():
            self._writer.add_scalar(f"{epoch_prefix(round_)}/{key}", value, epoch)

    def logged(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write what a callback logs, over the run's optimiser steps."""
        for key, value in callback_metrics(metrics).items():
            self._writer.add_scalar(key, value, step)

    def bought(self, batch: BoughtBatch) -> None:
        """Write the bought images and the histogram of their classes."""
        self._writer.add_histogram("bought/classes", batch.labels, batch.round)
        images = batch.images(batch.ids[: self.n_images])
        if images.ndim == 4 and images.shape[1] in (1, 3) and len(images):
            self._writer.add_images("bought/samples", images, batch.round)

    def round(self, rows: Sequence[Row]) -> None:
        """Write the row of a finished round, at its labelled-set size."""
        row = rows[-1]
        for key, value in round_metrics(row).items():
            self._writer.add_scalar(key, value, row["n_labeled"])
        self._writer.flush()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
