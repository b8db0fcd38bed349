"""An embedded table with two classes: the Wisconsin diagnostic breast cancer data, no network needed."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource


class BreastCancer(Dataset):
    """30 measurements of cell nuclei and a diagnosis, as scikit-learn brings them, in a fixed stratified split.

    Args:
        test_size: Number of test samples of the 569.
    """

    needs_files: ClassVar[bool] = False

    def __init__(self, test_size: int = 171) -> None:
        self._test_size = test_size
        self.info = DatasetInfo(
            name="breast_cancer",
            input_shape=(30,),
            n_classes=2,
            mean=(0.0,) * 30,  # standardised when they are loaded
            std=(1.0,) * 30,
            class_names=("malignant", "benign"),
            source="https://archive.ics.uci.edu/dataset/17 (through sklearn.datasets.load_breast_cancer)",
            licence="CC BY 4.0",
            citation="Wolberg, Mangasarian, Street, Street: Breast Cancer Wisconsin (Diagnostic). UCI, 1993.",
        )

    def load(self, root: Path) -> dict[str, Split]:
        """Return the splits, features standardised by the training part; ``root`` is not used."""
        from sklearn.datasets import load_breast_cancer
        from sklearn.model_selection import train_test_split

        features, targets = load_breast_cancer(return_X_y=True)
        parts = train_test_split(features, targets, test_size=self._test_size, stratify=targets, random_state=0)
        train, test, y_train, y_test = (torch.as_tensor(part) for part in parts)
        mean, std = train.mean(0), train.std(0)
        return {
            "train": Split(TensorSource(((train - mean) / std).float()), y_train.long()),
            "test": Split(TensorSource(((test - mean) / std).float()), y_test.long()),
        }
