"""The embedded default: scikit-learn's 1,797 handwritten digits, no network needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import torch

from autoal.config.values import Range
from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource


class Digits(Dataset):
    """8x8 images of handwritten digits (a copy of the UCI test set), in a fixed stratified split.

    Args:
        test_size: Number of test images.
    """

    needs_files: ClassVar[bool] = False

    def __init__(self, test_size: Annotated[int, Range(1, 1796)] = 597) -> None:
        self._test_size = test_size
        self.info = DatasetInfo(
            name="digits",
            input_shape=(1, 8, 8),
            n_classes=10,
            mean=(0.3053,),
            std=(0.3763,),
            class_names=tuple(str(i) for i in range(10)),
            source="https://archive.ics.uci.edu/dataset/80 (through sklearn.datasets.load_digits)",
            licence="CC BY 4.0",
            citation="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits. UCI, 1998.",
        )

    def load(self, root: Path) -> dict[str, Split]:
        """Return the splits; ``root`` is not used."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        images, targets = load_digits(return_X_y=True)
        x = torch.tensor(images, dtype=torch.float64).reshape(-1, 1, 8, 8)
        # The scans hold 0..16; as uint8 0..255 they pass through the same scaling as every image.
        pixels = (x * (255 / 16)).round().to(torch.uint8)
        y = torch.tensor(targets, dtype=torch.int64)
        train, test = train_test_split(
            torch.arange(len(y)).numpy(), test_size=self._test_size, stratify=targets, random_state=0
        )
        parts = {"train": torch.from_numpy(train).sort().values, "test": torch.from_numpy(test).sort().values}
        return {name: Split(TensorSource(pixels[rows]), y[rows]) for name, rows in parts.items()}
