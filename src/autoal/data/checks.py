"""Checks that every dataset shares; each names the file and the row."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from autoal.errors import AutoALError


def check_labels(labels: Tensor, n_classes: int, path: Path) -> None:
    """Check that labels lie in ``0..n_classes-1``.

    Args:
        labels: Int64, ``(N,)``.
        n_classes: Number of classes.
        path: The file they come from, for the message.

    Raises:
        AutoALError: Naming the first row that is out of range.
    """
    bad = ((labels < 0) | (labels >= n_classes)).nonzero()
    if len(bad):
        row = int(bad[0])
        raise AutoALError(f"{path} row {row}: label {int(labels[row])} is outside 0..{n_classes - 1}")


def check_finite(features: Tensor, where: str, first_row: int = 0) -> None:
    """Check that features ``(N, F)`` hold no NaN and no infinity.

    Args:
        features: The features.
        where: Where they come from, for the message.
        first_row: Number of the first row.

    Raises:
        AutoALError: Naming the first row and column that do.
    """
    bad = (~torch.isfinite(features)).nonzero()
    if len(bad):
        row, column = (int(i) for i in bad[0][:2])
        raise AutoALError(
            f"{where} row {first_row + row}: feature {column} is {float(features[row, column])}, not a finite "
            "number"
        )
