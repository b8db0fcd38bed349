"""TensorBoard, under the same names as W&B."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoal.config.values import Whole
from autoal.errors import AutoALError
from autoal.loggers.base import BoughtBatch, Row, RunInfo, RunListener
from autoal.loggers.metrics import EPOCHS, EpochAxis, callback_metrics, round_metrics


class TensorBoardLogger(RunListener):
    """Writes event files to ``tensorboard/`` in the run directory.

    Args:
        n_images: Images per round; 0 writes none.
    """

    def __init__(self, n_images: Whole = 32) -> None:
        self.n_images = n_images
        self._writer: Any = None
        self._epochs = EpochAxis()
        self._details: Sequence[str] = ()
        self._batch: BoughtBatch | None = None

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
        self._details = info.details

    def resumed(self, rows: Sequence[Row]) -> None:
        """Take up the count of epochs."""
        self._epochs.rounds_done(rows)

    def epoch(self, round_: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write an epoch, at its number over all rounds."""
        named = self._epochs.metrics(epoch, metrics)
        step = int(named.pop(EPOCHS))
        for key, value in named.items():
            self._writer.add_scalar(key, value, step)

    def logged(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write what a callback logs, over the run's optimiser steps."""
        for key, value in callback_metrics(metrics).items():
            self._writer.add_scalar(key, value, step)

    def bought(self, batch: BoughtBatch) -> None:
        """Keep what was bought for the round that ends with it, whose size is its place."""
        self._batch = batch

    def round(self, rows: Sequence[Row]) -> None:
        """Write the row of a finished round and what was bought at its end, at its labelled-set size."""
        self._epochs.rounds_done(rows)
        step = rows[-1]["n_labeled"]
        for key, value in round_metrics(rows, self._details).items():
            self._writer.add_scalar(key, value, step)
        if self._batch is not None:
            self._write_bought(self._batch, step)
        self._batch = None
        self._writer.flush()

    def _write_bought(self, batch: BoughtBatch, step: int) -> None:
        """Write the bought images and the histogram of their classes."""
        self._writer.add_histogram("round/classes", batch.labels, step)
        images = batch.images(batch.ids[: self.n_images])
        if images.ndim == 4 and images.shape[1] in (1, 3) and len(images):
            self._writer.add_images("round/bought", images, step)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
