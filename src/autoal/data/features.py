"""Frozen features: embeddings and labels in ``.npz`` or ``.npy`` files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoal.data.archives import DAMAGED
from autoal.data.base import Dataset, DatasetInfo, Split
from autoal.data.checks import check_finite
from autoal.data.embedded import check_finished
from autoal.data.loading import check_parts
from autoal.data.memmap import ArraySource, chunks, open_array
from autoal.data.splits import stratified_split
from autoal.data.views import cached_views
from autoal.errors import AutoALError

PARTS = ("train", "val", "test")
_CHUNK = 8192
_LARGEST = 2**63 - 1


class Features(Dataset):
    """Embeddings of any encoder, for a linear or MLP head.

    ``path`` is an ``.npz`` file with the arrays ``train_features``, ``train_labels``, ``test_features``,
    ``test_labels`` (and ``val_*``), or a folder with such ``.npy`` files, which are memory-mapped. Without
    a test part, arrays named ``features`` and ``labels`` are split by ``test_share``. Labels are numbers
    from 0; -1 in the training part where unknown. ``train_weak_features`` and ``train_strong_features``, ``(views,
    N, F)``, are views that semi-supervised training takes instead of noise (``autoal embed --views``).

    Args:
        path: The file or folder, absolute or below the data directory.
        n_classes: Number of classes; None: the largest training label plus 1.
        standardise: Whether to standardise with the training part's statistics.
        test_share: Share of each class in the test part where there is none.
        split_seed: Seed of that split.
    """

    def __init__(
        self,
        path: str,
        n_classes: int | None = None,
        standardise: bool = True,
        test_share: float = 0.2,
        split_seed: int = 0,
    ) -> None:
        self._path = path
        self._n_classes = n_classes
        self._standardise = standardise
        self._test_share = test_share
        self._split_seed = split_seed
        self.info = DatasetInfo(Path(path).stem, (), n_classes or 0)

    def load(self, root: Path) -> dict[str, Split]:
        """Open the arrays, check them, and complete :attr:`info`."""
        path = root / Path(self._path).expanduser()
        arrays = _open(path, self.info.name)
        if "train_features" in arrays:
            parts = {p: _part(arrays, f"{p}_", path) for p in PARTS if f"{p}_features" in arrays}
            views = cached_views(arrays, parts["train"][0].shape, path)
        elif "features" in arrays:
            features, labels = _part(arrays, "", path)
            rows = stratified_split(labels, self._test_share, self._split_seed)
            whole = ArraySource(features)
            splits = {p: Split(whole.select(r), labels[r]) for p, r in zip(("train", "test"), rows, strict=True)}
            return self._finish(splits, path)
        else:
            raise AutoALError(
                f"{path} has neither train_features nor features; it has: {', '.join(arrays) or 'nothing'}"
            )
        splits = {p: Split(ArraySource(f), labels) for p, (f, labels) in parts.items()}
        splits["train"].views = views
        return self._finish(splits, path)

    def _finish(self, splits: dict[str, Split], path: Path) -> dict[str, Split]:
        if "test" not in splits:
            raise AutoALError(f"{path} has train_features but no test_features")
        train = splits["train"]
        check_parts(self.info.name, splits)
        n_classes = self._n_classes or _count_classes(train.targets, path)
        for name, split in splits.items():
            lowest = -1 if name == "train" else 0
            bad = ((split.targets < lowest) | (split.targets >= n_classes)).nonzero()
            if len(bad):
                row = int(bad[0])
                raise AutoALError(
                    f"{path}: {name} label {int(split.targets[row])} in row {row} is outside 0..{n_classes - 1}"
                )
        total, squares = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        for name, split in splits.items():
            for rows in chunks(len(split), _CHUNK):
                x = split.source.fetch(rows).to(torch.float64)
                check_finite(x, f"{path} ({name})", first_row=int(rows[0]))
                if name == "train":
                    total, squares = total + x.sum(0), squares + (x * x).sum(0)
        shape = tuple(train.source.fetch(torch.arange(1)).shape[1:])
        self.info = replace(self.info, input_shape=shape, n_classes=n_classes)
        if self._standardise:
            mean = total / len(train)
            std = (squares / len(train) - mean**2).clamp(min=0).sqrt()
            std = torch.where(std < 1e-6, torch.ones_like(std), std)
            self.info = replace(self.info, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
        return splits


def _open(path: Path, name: str) -> dict[str, npt.NDArray[Any]]:
    if path.is_dir():
        check_finished(path)
        return {file.stem: open_array(file) for file in sorted(path.glob("*.npy"))}
    if not path.is_file():
        raise AutoALError(
            f"dataset {name}: no features at {path.absolute()}; set dataset.path to an .npz file or a folder"
        )
    try:
        with np.load(path, allow_pickle=False) as bundle:
            return {key: bundle[key] for key in bundle.files}
    except (ValueError, AttributeError, TypeError, RuntimeError, NotImplementedError, *DAMAGED) as error:
        # RuntimeError: the archive is encrypted.
        raise AutoALError(f"{path} is truncated or no .npz file of plain arrays: {error}") from error


def _part(arrays: dict[str, npt.NDArray[Any]], prefix: str, path: Path) -> tuple[npt.NDArray[Any], Tensor]:
    features = arrays[f"{prefix}features"]
    if f"{prefix}labels" not in arrays:
        raise AutoALError(f"{path} has {prefix}features but no {prefix}labels")
    labels = arrays[f"{prefix}labels"]
    if features.ndim != 2 or features.dtype.kind != "f":
        raise AutoALError(f"{path}: {prefix}features are {features.dtype} {features.shape}, not floating (N, F)")
    if labels.shape != (len(features),) or labels.dtype.kind not in "iu":
        raise AutoALError(
            f"{path}: {prefix}labels are {labels.dtype} {labels.shape}, not integers ({len(features)},)"
        )
    if labels.dtype.kind == "u" and len(labels) and labels.max() > _LARGEST:
        row = int((labels > _LARGEST).argmax())
        raise AutoALError(f"{path}: {prefix}labels hold {labels[row]} in row {row}, which is no class number")
    return features, torch.from_numpy(labels.astype(np.int64))


def _count_classes(targets: Tensor, path: Path) -> int:
    """Infer the number of classes from the largest label."""
    row = int(targets.argmax())
    largest = int(targets[row])
    if largest >= len(targets):
        raise AutoALError(
            f"{path}: train label {largest} in row {row}: {len(targets):,} samples hold no {largest + 1:,} "
            "classes; number the classes from 0, or set dataset.n_classes"
        )
    if largest < 1:
        raise AutoALError(f"{path}: the largest train label is {largest}, at least 2 classes are needed")
    return largest + 1
