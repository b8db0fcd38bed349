"""Data of the study that are not data sets of their own: parts and features of real ones."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.errors import AutoALError

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Part(Dataset):
    """The first training samples of a data set, with its whole test split.

    Args:
        of: The whole.
        n_train: How many samples.
    """

    needs_files = False

    def __init__(self, of: Dataset, n_train: int) -> None:
        self._whole = of
        self._n_train = n_train
        self.info = of.info

    def load(self, root: Path) -> dict[str, Split]:
        """Return the splits."""
        whole = self._whole.load(root)
        rows = torch.arange(self._n_train)
        train = whole["train"]
        return {"train": Split(TensorSource(train.source.fetch(rows)), train.targets[rows]), "test": whole["test"]}


class BreastCancer(Dataset):
    """Wisconsin diagnostic breast cancer, as scikit-learn brings it: 30 features, 2 classes, 398 + 171 samples."""

    needs_files = False

    def __init__(self) -> None:
        self.info = DatasetInfo("breast_cancer", (30,), 2)

    def load(self, root: Path) -> dict[str, Split]:
        """Return a stratified split with features standardised on the training part."""
        from sklearn.datasets import load_breast_cancer
        from sklearn.model_selection import train_test_split

        features, targets = load_breast_cancer(return_X_y=True)
        parts = train_test_split(features, targets, test_size=171, stratify=targets, random_state=0)
        train, test, y_train, y_test = (torch.as_tensor(part) for part in parts)
        mean, std = train.mean(0), train.std(0)
        return {
            "train": Split(TensorSource(((train - mean) / std).float()), y_train.long()),
            "test": Split(TensorSource(((test - mean) / std).float()), y_test.long()),
        }


class CifarFeatures(Dataset):
    """Gradient histograms and coarse colour of CIFAR-10 images kept as JPEG files.

    Args:
        n_train: Training images per class.
        n_test: Test images per class.
    """

    needs_files = False

    def __init__(self, n_train: int = 1000, n_test: int = 300) -> None:
        self._sizes = {"train": n_train, "test": n_test}
        self.info = DatasetInfo("cifar10_jpeg_features", (560,), len(_CLASSES), class_names=_CLASSES)

    def load(self, root: Path) -> dict[str, Split]:
        """Read ``root/cifar10-jpeg/{train,test}/<class>/*.jpg``; features standardised on the training part."""
        x, y = {}, {}
        for part, n in self._sizes.items():
            x[part], y[part] = _read(root / "cifar10-jpeg" / part, n)
        mean, std = x["train"].mean(0), x["train"].std(0).clamp(min=1e-6)
        return {part: Split(TensorSource((x[part] - mean) / std), y[part]) for part in self._sizes}


@functools.cache
def _read(folder: Path, n_per_class: int) -> tuple[Tensor, Tensor]:
    import numpy as np
    from PIL import Image

    images, targets = [], []
    for label, name in enumerate(_CLASSES):
        files = sorted((folder / name).glob("*.jpg"))[:n_per_class]
        if len(files) < n_per_class:
            raise AutoALError(f"{folder / name} holds {len(files)} images of the {n_per_class} that are needed")
        images += [np.asarray(Image.open(file).convert("RGB")) for file in files]
        targets += [label] * len(files)
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    features = torch.cat([_features(part.float() / 255) for part in pixels.split(1000)])
    return features, torch.tensor(targets)


def _features(images: Tensor) -> Tensor:
    """Return 8x8 cells x 8 orientations of gradient energy, and 4x4 mean colours: ``(B, 560)``."""
    grey = images.mean(1, keepdim=True)
    dx = torch.nn.functional.pad(grey[..., 2:] - grey[..., :-2], (1, 1))
    dy = torch.nn.functional.pad(grey[..., 2:, :] - grey[..., :-2, :], (0, 0, 1, 1))
    size = (dx.square() + dy.square()).sqrt()
    angle = torch.atan2(dy, dx).remainder(torch.pi) / torch.pi * 8
    bins = torch.nn.functional.one_hot(angle.long().clamp(max=7).squeeze(1), 8).permute(0, 3, 1, 2)
    cells = torch.nn.functional.avg_pool2d(bins * size, 4)
    cells = cells / cells.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-3)
    colours = torch.nn.functional.avg_pool2d(images, 8)
    return torch.cat([cells.flatten(1), colours.flatten(1)], dim=1)
