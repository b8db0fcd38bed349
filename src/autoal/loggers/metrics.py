"""The names that every dashboard shows, the same in W&B and TensorBoard.

==============  ================  ====================================================================
names           over              what
==============  ================  ====================================================================
``train/*``     ``train/epoch``   accuracy, loss and learning rate of every epoch, one axis for all rounds
``round/*``     labels            test accuracy, loss and calibration, AUBC so far, class balance, seconds
``strategy/*``  labels            the strategy's own columns of ``rounds.csv``
``detail/*``    labels            the rest of ``rounds.csv``, which a dashboard need not draw at first sight
==============  ================  ====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from autoal.analysis.curves import aubc
from autoal.loggers.base import Row

LABELS = "round/n_labeled"
"""The x-axis of everything that is measured once a round."""

EPOCHS = "train/epoch"
"""The x-axis of everything that is measured once an epoch: epochs since the start, over all rounds."""

ROUND = ("n_labeled", "test_acc", "test_loss", "test_ece", "val_acc", "class_balance")
"""Columns of ``rounds.csv`` that a dashboard shows as ``round/<column>``."""

DETAILS = ("round", "train_acc", "epochs", "seconds_*")
"""Columns that every strategy has and that stand in the detail: they are shown in another form already."""


def round_metrics(rows: Sequence[Row], details: Sequence[str] = ()) -> dict[str, float]:
    """Return the last row under its dashboard names, with the area under the curve so far.

    Args:
        rows: The rows of ``rounds.csv`` so far.
        details: Patterns of the strategy's columns that belong to the detail.

    Example:
        >>> row = {"round": 0, "n_labeled": 10, "test_acc": 0.5, "seconds_train": 1.5, "temperature": 2.0}
        >>> round_metrics([row])["round/aubc"], sorted(round_metrics([row]))[-1]
        (0.5, 'strategy/temperature')
    """
    row = rows[-1]
    metrics: dict[str, float] = {}
    for key, value in row.items():
        if value is None:
            continue
        in_detail = any(fnmatchcase(key, pattern) for pattern in (*DETAILS, *details))
        place = "round" if key in ROUND else "detail" if in_detail else "strategy"
        metrics[f"{place}/{key}"] = float(value)
    phases = ("train", "pool", "search", "select", "test")
    metrics["round/seconds"] = sum(float(row.get(f"seconds_{phase}") or 0.0) for phase in phases)
    metrics["round/aubc"] = aubc([r["n_labeled"] for r in rows], [r["test_acc"] for r in rows])
    return metrics


class EpochAxis:
    """Counts epochs over all rounds."""

    def __init__(self) -> None:
        self._before = 0

    def rounds_done(self, rows: Sequence[Row]) -> None:
        """Take the epochs of the finished rounds from their rows."""
        self._before = sum(int(row["epochs"]) for row in rows)

    def metrics(self, epoch: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return an epoch's metrics under their dashboard names, :data:`EPOCHS` among them.

        Args:
            epoch: The epoch within its round, from 1.
            metrics: As :meth:`autoal.loggers.base.RunListener.epoch` gets them.
        """
        named = {f"train/{key.removeprefix('train_')}": value for key, value in metrics.items()}
        return {EPOCHS: self._before + epoch, **named}


def callback_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return what callbacks log under its dashboard names, ``callbacks/<name>``."""
    return {f"callbacks/{key}": value for key, value in metrics.items()}
