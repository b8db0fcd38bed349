"""mini-ImageNet from the three pickles it is passed around in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.data.files import missing_files
from autoal.data.statistics import channel_statistics
from autoal.data.unpickle import read_pickle
from autoal.errors import AutoALError

_FILES = tuple(f"mini-imagenet-cache-{part}.pkl" for part in ("train", "val", "test"))
_MANUAL = "the archive has no official download; put the three mini-imagenet-cache-{train,val,test}.pkl there"


class MiniImageNet(Dataset):
    """84x84 colour images, 100 classes with 600 images each: the first 120 of each class are the test set.

    The pickles hold 64, 16 and 20 classes, for few-shot learning; active learning uses all of them, split
    within each class as ALFA-Mix does.

    Args:
        test_share: Share of each class, from its start, that is the test set.
    """

    def __init__(self, test_share: float = 0.2) -> None:
        if not 0.0 < test_share < 1.0:
            raise AutoALError(f"dataset.test_share={test_share} is not in (0, 1)")
        self._test_share = test_share
        self.published = {"together": 60_000}
        self.info = DatasetInfo(
            name="mini_imagenet",
            input_shape=(3, 84, 84),
            n_classes=100,
            source="ImageNet, selected by Vinyals et al. 2016 and Ravi, Larochelle 2017",
            licence="ImageNet terms: non-commercial research",
            citation="Vinyals et al.: Matching Networks for One Shot Learning. NeurIPS 2016, arXiv:1606.04080.",
        )

    def load(self, root: Path) -> dict[str, Split]:
        """Read the three pickles, with an unpickler that takes nothing but arrays, lists and dicts."""
        folder = next((f for f in (root / "mini_imagenet", root / "MiniImageNet") if f.exists()), None)
        folder = folder or root / "mini_imagenet"
        missing = [folder / name for name in _FILES if not (folder / name).exists()]
        if missing:
            raise missing_files(self.info.name, missing, root, manual=_MANUAL)
        images: dict[str, list[npt.NDArray[np.uint8]]] = {"train": [], "test": []}
        targets: dict[str, list[int]] = {"train": [], "test": []}
        names: list[str] = []
        for name in _FILES:
            for class_name, pixels in _classes(folder / name):
                n_test = int(len(pixels) * self._test_share)
                for part, rows in (("test", pixels[:n_test]), ("train", pixels[n_test:])):
                    images[part].append(rows)
                    targets[part].extend([len(names)] * len(rows))
                names.append(class_name)
        splits = {part: _split(images[part], targets[part]) for part in images}
        source = splits["train"].source
        mean, std = channel_statistics(source)
        shape = tuple(source.fetch(torch.arange(1)).shape[1:])
        self.info = replace(
            self.info, input_shape=shape, n_classes=len(names), class_names=tuple(names), mean=mean, std=std
        )
        return splits


def _classes(path: Path) -> list[tuple[str, npt.NDArray[np.uint8]]]:
    content = read_pickle(path)
    try:
        data, members = content["image_data"], content["class_dict"]
        if data.dtype != np.uint8 or data.ndim != 4 or data.shape[3] != 3:
            raise ValueError(f"image_data is {data.dtype} {data.shape}, not uint8 (N, H, W, 3)")
        return [(str(name), data[np.asarray(rows, dtype=np.int64)]) for name, rows in members.items()]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise AutoALError(f"{path} is no mini-ImageNet pickle: {type(error).__name__}: {error}") from error


def _split(images: list[npt.NDArray[np.uint8]], targets: list[int]) -> Split:
    pixels = np.ascontiguousarray(np.concatenate(images).transpose(0, 3, 1, 2))
    return Split(TensorSource(torch.from_numpy(pixels)), torch.tensor(targets, dtype=torch.int64))
