"""What is told about a run while it happens; loggers and figures listen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

Row = Mapping[str, Any]


@dataclass(frozen=True)
class RunInfo:
    """What a listener is told at the start.

    Attributes:
        run_dir: The run directory.
        config: The composed config.
        recipe: The recipe's hash.
        strategy: The strategy's name.
        seed: The experiment's seed.
        class_names: One name per class.
        resumed: Whether an earlier part of this run stands in the directory.
        machine: What the run computes with (:func:`autoal.run.machine.machine`).
        details: Patterns of the strategy's columns that a dashboard need not draw at first sight.
    """

    run_dir: Path
    config: Mapping[str, Any]
    recipe: str
    strategy: str
    seed: int
    class_names: Sequence[str]
    resumed: bool
    machine: Mapping[str, Any] = field(default_factory=dict)
    details: Sequence[str] = ()


@dataclass(frozen=True)
class BoughtBatch:
    """The labels bought at the end of a round.

    Attributes:
        round: The round that trains on them first.
        ids: Sample ids ``(n,)``.
        labels: Bought labels ``(n,)``.
        predictions: What the classifier predicted before ``(n,)``.
        scores: The strategy's scores ``(n,)``.
        images: Gives the raw inputs of some ids.
    """

    round: int
    ids: Tensor
    labels: Tensor
    predictions: Tensor
    scores: Tensor
    images: Callable[[Tensor], Tensor]


class RunListener:
    """Does nothing; subclasses take what they want. Called only on rank 0."""

    def start(self, info: RunInfo) -> None:
        """Handle the start of the run."""

    def resumed(self, rows: Sequence[Row]) -> None:
        """Handle the rows of the rounds that an earlier part of the run has finished."""

    def epoch(self, round_: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Handle the end of an epoch; ``metrics`` holds ``train_acc``, ``train_loss`` and ``lr``."""

    def logged(self, step: int, metrics: Mapping[str, float]) -> None:
        """Handle numbers that a Lightning callback logs after ``step`` optimiser steps of the run."""

    def bought(self, batch: BoughtBatch) -> None:
        """Handle a query's labels, before the row of their round."""

    def round(self, rows: Sequence[Row]) -> None:
        """Handle a finished round: ``rows[-1]``."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Handle the end of the run, whatever its status."""
