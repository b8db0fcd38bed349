"""MedMNIST v2: the 2D sets with one label per image, from their official npz files."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autoal.data.archives import DAMAGED, extract_member
from autoal.data.base import Dataset, DatasetInfo, SampleSource, Split, TensorSource
from autoal.data.checks import check_labels
from autoal.data.files import Remote, download, find_file, missing_files, verify_present
from autoal.data.memmap import ArraySource, open_array
from autoal.data.statistics import channel_statistics
from autoal.errors import AutoALError, unknown_name

SIZES = (28, 64, 128, 224)
_PARTS = ("train", "val", "test")
_IN_MEMORY_BYTES = 1 << 30
_CITATION = "Yang et al.: MedMNIST v2. Scientific Data 10, 2023, arXiv:2110.14795."


class MedMNIST(Dataset):
    """One set of MedMNIST with its official train, val and test split.

    Multi-label sets (chestmnist) are refused: a query buys one class per image. The grades of retinamnist
    are treated as five unordered classes.

    Args:
        which: Name of a 2D set, e.g. ``organcmnist``.
        size: Side of the images: 28, 64, 128 or 224 pixels.
    """

    def __init__(self, which: str = "organcmnist", size: int = 28) -> None:
        from medmnist import INFO

        flat = {name: entry for name, entry in INFO.items() if not name.endswith("3d")}
        if which not in flat:
            raise unknown_name("dataset.which", which, flat)
        if size not in SIZES:
            raise AutoALError(f"dataset.size={size}: MedMNIST has {', '.join(map(str, SIZES))}")
        entry: dict[str, Any] = flat[which]
        if "multi-label" in entry["task"]:
            raise AutoALError(
                f"{which} is multi-label: an image has any number of its {len(entry['label'])} labels, but a "
                "query buys one class per image; use a multi-class or binary set"
            )
        suffix = "" if size == 28 else f"_{size}"
        self._remote = Remote(entry[f"url{suffix}"], f"md5:{entry[f'MD5{suffix}']}", name=f"{which}{suffix}.npz")
        self.published = entry["n_samples"]
        self._words = which if size == 28 else f"{which} size={size}"
        self.info = DatasetInfo(
            name=which if size == 28 else f"{which}_{size}",
            input_shape=(int(entry["n_channels"]), size, size),
            n_classes=len(entry["label"]),
            class_names=tuple(entry["label"][str(i)] for i in range(len(entry["label"]))),
            source="https://medmnist.com",
            licence=entry["license"],
            citation=_CITATION,
        )

    def _candidates(self, root: Path) -> list[Path]:
        # The medmnist package itself puts files into ~/.medmnist.
        name = self._remote.filename
        return [root / "medmnist" / name, root / name, Path.home() / ".medmnist" / name]

    def load(self, root: Path) -> dict[str, Split]:
        """Read the npz file; mean and standard deviation are computed from its training images."""
        candidates = self._candidates(root)
        path = find_file(*candidates)
        if path is None:
            raise missing_files(self._words, candidates[:1], root)
        splits = {part: self._read(path, part) for part in _PARTS}
        mean, std = channel_statistics(splits["train"].source)
        self.info = replace(self.info, mean=mean, std=std)
        return splits

    def _read(self, path: Path, part: str) -> Split:
        try:
            with zipfile.ZipFile(path) as bundle:
                n_bytes = bundle.getinfo(f"{part}_images.npy").file_size
            with np.load(path, allow_pickle=False) as arrays:
                labels = torch.from_numpy(arrays[f"{part}_labels"].astype(np.int64))
                large = n_bytes > _IN_MEMORY_BYTES
                images = self._mapped(path, part) if large else arrays[f"{part}_images"]
        except (ValueError, KeyError, TypeError, RuntimeError, NotImplementedError, *DAMAGED) as error:
            raise AutoALError(f"{path} is truncated or damaged: {error}; delete it and fetch it again") from error
        if labels.ndim != 2 or labels.shape[1] != 1:
            raise AutoALError(f"{path}: {part} labels have shape {tuple(labels.shape)}, not (N, 1)")
        labels = labels[:, 0]
        channels, size, _ = self.info.input_shape
        expected = (len(images), size, size) if channels == 1 else (len(images), size, size, channels)
        if images.ndim and images.shape == expected and len(labels) != len(images):
            raise AutoALError(f"{path}: {len(labels):,} {part} labels for {len(images):,} {part} images")
        if images.shape != expected or images.dtype != np.uint8:
            raise AutoALError(f"{path}: {part} images are {images.dtype} {images.shape}, not uint8 {expected}")
        check_labels(labels, self.info.n_classes, path)
        if channels == 1:
            images = images[:, :, :, None]
        source: SampleSource = ArraySource(images, channels_last=True)
        return Split(source if large else TensorSource(source.fetch(torch.arange(len(labels)))), labels)

    @staticmethod
    def _mapped(path: Path, part: str) -> Any:
        """Unpack one array next to the archive, where it can be mapped instead of read."""
        target = _unpacked(path, part)
        if not target.exists():
            extract_member(path, f"{part}_images.npy", target)
        return open_array(target)

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch the npz file unless it is there, and verify it."""
        path = find_file(*self._candidates(root))
        if path is None and fetch:
            path = download(self._remote, root / "medmnist")
        if path is None:
            raise missing_files(self._words, self._candidates(root)[:1], root)
        if self.verify:
            verify_present(path, self._remote.digest)
        return path

    def verify_files(self, root: Path) -> None:
        """Check the npz file against its MD5, unless large arrays have been unpacked from it already."""
        path = find_file(*self._candidates(root))
        if path is not None and not all(_unpacked(path, part).exists() for part in _PARTS):
            verify_present(path, self._remote.digest)


def _unpacked(path: Path, part: str) -> Path:
    return path.with_suffix("") / f"{part}_images.npy"
