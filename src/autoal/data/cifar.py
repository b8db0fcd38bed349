"""CIFAR-10 and CIFAR-100 from their official Python pickles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from autoal.data.archives import extract
from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.data.checks import check_labels
from autoal.data.files import Remote, download, missing_files, verify_present
from autoal.data.unpickle import read_pickle
from autoal.errors import AutoALError, unknown_name

_CITATION = "Krizhevsky: Learning Multiple Layers of Features from Tiny Images. 2009."
_SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_LICENCE = "none stated"
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR100_NAMES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"""
_CIFAR100 = tuple(_CIFAR100_NAMES.split())


@dataclass(frozen=True)
class _Set:
    info: DatasetInfo
    folder: str
    archive: Remote
    files: dict[str, tuple[str, ...]]
    label_key: str
    digests: dict[str, str]


_SETS = {
    "cifar10": _Set(
        DatasetInfo(
            "cifar10",
            (3, 32, 32),
            10,
            (0.4914, 0.4822, 0.4465),
            (0.2470, 0.2435, 0.2616),
            _CIFAR10,
            _SOURCE,
            _LICENCE,
            _CITATION,
        ),
        "cifar-10-batches-py",
        Remote("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "md5:c58f30108f718f92721af3b95e74349a"),
        {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)},
        "labels",
        {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
        },
    ),
    "cifar100": _Set(
        DatasetInfo(
            "cifar100",
            (3, 32, 32),
            100,
            (0.5071, 0.4865, 0.4409),
            (0.2673, 0.2564, 0.2762),
            _CIFAR100,
            _SOURCE,
            _LICENCE,
            _CITATION,
        ),
        "cifar-100-python",
        Remote("https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "md5:eb9058c3a382ffc7106e4002c42a8d85"),
        {"train": ("train",), "test": ("test",)},
        "fine_labels",
        {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
    ),
}


class Cifar(Dataset):
    """32x32 colour images with the official train and test split.

    Args:
        which: ``cifar10`` or ``cifar100`` (the 100 fine labels).
    """

    def __init__(self, which: str = "cifar10") -> None:
        if which not in _SETS:
            raise unknown_name("dataset.which", which, _SETS)
        self._set = _SETS[which]
        self.info = self._set.info

    def load(self, root: Path) -> dict[str, Split]:
        """Read the pickled batches, with an unpickler that takes nothing but arrays and lists."""
        folder = root / self._set.folder
        missing = [folder / f for files in self._set.files.values() for f in files if not (folder / f).exists()]
        if missing:
            raise missing_files(self._set.info.name, missing, root)
        return {part: self._read(folder, files) for part, files in self._set.files.items()}

    def _read(self, folder: Path, files: tuple[str, ...]) -> Split:
        images, labels = [], []
        for name in files:
            path = folder / name
            batch = read_pickle(path)
            try:
                pixels = np.asarray(batch["data"]).reshape(-1, 3, 32, 32)
                targets = torch.tensor(batch[self._set.label_key], dtype=torch.int64)
            except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
                raise AutoALError(f"{path} is no batch of {self.info.name}: {error}") from error
            if pixels.dtype != np.uint8 or len(pixels) != len(targets):
                raise AutoALError(
                    f"{path} is no batch of {self.info.name}: {len(pixels)} {pixels.dtype} images, "
                    f"{len(targets)} labels"
                )
            check_labels(targets, self.info.n_classes, path)
            images.append(torch.from_numpy(pixels))
            labels.append(targets)
        return Split(TensorSource(torch.cat(images)), torch.cat(labels))

    def verify_files(self, root: Path) -> None:
        """Check each batch against its MD5."""
        for name, digest in self._set.digests.items():
            verify_present(root / self._set.folder / name, f"md5:{digest}")

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch and unpack the archive where files are missing; verify each file."""
        folder = root / self._set.folder
        if fetch and not all((folder / name).exists() for name in self._set.digests):
            extract(download(self._set.archive, root), root)
        missing = [folder / name for name in self._set.digests if not (folder / name).exists()]
        if missing:
            raise missing_files(self._set.info.name, missing, root)
        if self.verify:
            self.verify_files(root)
        return folder
