"""Frozen features around class centres, made in memory, for benchmarks of queries."""

from __future__ import annotations

from pathlib import Path

import torch

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource


class Features(Dataset):
    """Normal features around one random centre per class.

    Args:
        rows: Training samples.
        width: Numbers per sample.
        classes: Number of classes.
    """

    needs_files = False

    def __init__(self, rows: int, width: int = 128, classes: int = 10) -> None:
        self.info = DatasetInfo("features", (width,), classes)
        self._rows = rows

    def load(self, root: Path) -> dict[str, Split]:
        """Make the splits."""
        rng = torch.Generator().manual_seed(0)
        (width,) = self.info.input_shape
        centres = torch.randn(self.info.n_classes, width, generator=rng)
        splits = {}
        for name, n in {"train": self._rows, "test": 200}.items():
            targets = torch.randint(0, self.info.n_classes, (n,), generator=rng)
            inputs = torch.randn(n, width, generator=rng)
            for low in range(0, n, 4096):
                inputs[low : low + 4096] += centres[targets[low : low + 4096]]
            splits[name] = Split(TensorSource(inputs), targets)
        return splits
