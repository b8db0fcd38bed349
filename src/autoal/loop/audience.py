"""Those who are told how a run goes: the run directory's tables, the listeners, and a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.loggers.base import BoughtBatch, RunListener
from autoal.loop.epochs import EpochNumbers
from autoal.loop.settings import LoopConfig
from autoal.loop.view import PlainView
from autoal.rundir.directory import RunDir
from autoal.training.evaluation import Evaluation


class Audience:
    """Passes on what the loop did. Only rank 0 writes files and tells listeners; nothing comes back from here.

    Args:
        data: Pool, round and epoch, and this rank's place.
        loop: Sizes of the run.
        run_dir: Where the rows and predictions go.
        view: What a person sees.
        listeners: Loggers and figures.
    """

    def __init__(
        self,
        data: ActiveLearningDataModule,
        loop: LoopConfig,
        run_dir: RunDir,
        view: PlainView,
        listeners: Sequence[RunListener],
    ) -> None:
        self._data = data
        self._loop = loop
        self._run_dir = run_dir
        self._view = view
        self._listeners = tuple(listeners)

    def start(self, strategy: str, seed: int) -> None:
        """Show a person what runs."""
        title = f"{self._data.dataset.info.name}, strategy {strategy}, seed {seed}"
        self._view.start(title, self._loop.n_rounds + 1)

    def resumed(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Tell of the rounds that an earlier process finished."""
        if self._data.world.is_main:
            self._run_dir.write_rounds(rows)
            for listener in self._listeners:
                listener.resumed(rows)
        self._view.round_done(rows)

    def epoch(self, numbers: EpochNumbers) -> None:
        """Tell what an epoch came to."""
        data = self._data
        if data.world.is_main:
            metrics = {"train_acc": numbers.train_acc, "train_loss": numbers.train_loss, "lr": numbers.lr}
            for listener in self._listeners:
                listener.epoch(data.round, data.epoch, metrics)
        n_labeled = len(data.pool.labelled)
        self._view.epoch(
            data.round, n_labeled, data.epoch, self._loop.epochs, numbers.train_acc, numbers.train_loss
        )

    def predictions(self, test: Evaluation) -> None:
        """Write what the test samples were taken for; nothing of the run depends on it."""
        if self._data.world.is_main:
            self._run_dir.write_predictions(
                self._data.round, test.predicted.numpy(), test.targets.numpy(), test.auroc
            )

    def bought(self, batch: BoughtBatch) -> None:
        """Tell the listeners which samples were bought."""
        for listener in self._listeners:
            listener.bought(batch)

    def round_done(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows, the last of which is new, and show it."""
        if self._data.world.is_main:
            self._run_dir.write_rounds(rows)
            for listener in self._listeners:
                listener.round(rows)
        self._view.round_done(rows)
