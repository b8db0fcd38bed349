"""MNIST and its descendants in IDX files: MNIST, Fashion-MNIST, KMNIST, EMNIST."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

import torch

from autoal.data.archives import extract
from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.data.checks import check_labels
from autoal.data.files import Remote, download, find_file, missing_files, verify_present
from autoal.data.idx import read_idx
from autoal.errors import AutoALError, unknown_name

_PARTS = {"train": "train", "test": "t10k"}
_FILES = tuple((part, kind) for part in _PARTS for kind in ("images-idx3", "labels-idx1"))
_EMNIST_ARCHIVE = Remote(
    "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip", "md5:58c8d27c78d21e728a6bc7b3cc06412e"
)
_EMNIST_SOURCE = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
_EMNIST_CITATION = "Cohen, Afshar, Tapson, van Schaik: EMNIST. IJCNN 2017, arXiv:1702.05373."
_DIGITS = tuple(string.digits)
_UPPER = tuple(string.ascii_uppercase)
_LOWER = tuple(string.ascii_lowercase)


@dataclass(frozen=True)
class _Set:
    """One dataset of the family.

    Attributes:
        info: Its metadata.
        folder: Where its files lie below the data directory (the layout torchvision uses).
        mirror: Base URL of its files; empty: they come in the EMNIST archive.
        digests: Published MD5 of the gzipped train images, train labels, test images, test labels.
        prefix: File names are ``<prefix>-images-idx3-ubyte``, with ``{part}`` for the part's name.
        first_label: Label of the first class in the files.
        transposed: Whether the images lie on their side.
        sizes: Published number of training and of test images.
    """

    info: DatasetInfo
    folder: str
    mirror: str = ""
    digests: tuple[str, str, str, str] = ("", "", "", "")
    prefix: str = "{part}"
    first_label: int = 0
    transposed: bool = False
    sizes: tuple[int, int] = (60_000, 10_000)


def _info(name: str, mean: float, std: float, names: tuple[str, ...], **more: str) -> DatasetInfo:
    return DatasetInfo(name, (1, 28, 28), len(names), (mean,), (std,), names, **more)


def _emnist(
    split: str, mean: float, std: float, names: tuple[str, ...], sizes: tuple[int, int], first_label: int = 0
) -> _Set:
    info = _info(
        f"emnist_{split}",
        mean,
        std,
        names,
        source=_EMNIST_SOURCE,
        licence="public domain (NIST)",
        citation=_EMNIST_CITATION,
    )
    prefix = f"emnist-{split}-{{part}}"
    return _Set(info, "EMNIST/raw", prefix=prefix, first_label=first_label, transposed=True, sizes=sizes)


_SETS = {
    "mnist": _Set(
        _info(
            "mnist",
            0.1307,
            0.3081,
            _DIGITS,
            source="http://yann.lecun.com/exdb/mnist/",
            licence="CC BY-SA 3.0",
            citation="LeCun et al.: Gradient-based learning applied to document recognition. Proc. IEEE, 1998.",
        ),
        "MNIST/raw",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion_mnist": _Set(
        _info(
            "fashion_mnist",
            0.2860,
            0.3530,
            (
                *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            ),
            source="https://github.com/zalandoresearch/fashion-mnist",
            licence="MIT",
            citation="Xiao, Rasul, Vollgraf: Fashion-MNIST. arXiv:1708.07747.",
        ),
        "FashionMNIST/raw",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    "kmnist": _Set(
        _info(
            "kmnist",
            0.1918,
            0.3483,
            ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            source="http://codh.rois.ac.jp/kmnist/",
            licence="CC BY-SA 4.0",
            citation="Clanuwat et al.: Deep Learning for Classical Japanese Literature. arXiv:1812.01718.",
        ),
        "KMNIST/raw",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    # The letters merge upper and lower case and are numbered from 1.
    "emnist_letters": _emnist("letters", 0.1722, 0.3309, _LOWER, (124_800, 20_800), first_label=1),
    "emnist_byclass": _emnist("byclass", 0.1736, 0.3317, (*_DIGITS, *_UPPER, *_LOWER), (697_932, 116_323)),
    # Lower-case letters that look like their capitals are merged with them.
    "emnist_balanced": _emnist("balanced", 0.1751, 0.3332, (*_DIGITS, *_UPPER, *"abdefghnqrt"), (112_800, 18_800)),
}


class IdxImages(Dataset):
    """28x28 grey images with the official train and test split.

    Args:
        which: ``mnist``, ``fashion_mnist``, ``kmnist``, ``emnist_letters``, ``emnist_byclass`` or
            ``emnist_balanced``.
        n_train: Keep the first samples of the training split only; None: all.

    Raises:
        AutoALError: For an unknown name, or ``n_train`` below 1.
    """

    def __init__(self, which: str = "mnist", n_train: int | None = None) -> None:
        if which not in _SETS:
            raise unknown_name("dataset.which", which, _SETS)
        if n_train is not None and n_train < 1:
            raise AutoALError(f"dataset.n_train={n_train} is not positive")
        self._set = _SETS[which]
        self._n_train = n_train
        self.info = self._set.info
        train, test = self._set.sizes
        self.published = {"train": train if n_train is None else min(n_train, train), "test": test}

    def load(self, root: Path) -> dict[str, Split]:
        """Read the four IDX files, plain or gzipped."""
        splits = {part: self._read(root, part) for part in _PARTS}
        if self._n_train is not None:
            train, rows = splits["train"], torch.arange(min(self._n_train, len(splits["train"])))
            splits["train"] = Split(train.source.select(rows), train.targets[rows])
        return splits

    def _read(self, root: Path, part: str) -> Split:
        image_file, label_file = (self._locate(root, part, kind) for kind in ("images-idx3", "labels-idx1"))
        images = read_idx(image_file, 3)
        labels = read_idx(label_file, 1).to(torch.int64) - self._set.first_label
        if len(images) != len(labels):
            raise AutoALError(
                f"{label_file} holds {len(labels)} labels for the {len(images)} images of {image_file}"
            )
        if images.shape[1:] != (28, 28):
            raise AutoALError(f"{image_file} holds images of {tuple(images.shape[1:])}, not 28x28")
        check_labels(labels, self.info.n_classes, label_file)
        if self._set.transposed:
            images = images.transpose(1, 2).contiguous()
        return Split(TensorSource(images[:, None]), labels)

    def _name(self, part: str, kind: str) -> str:
        # EMNIST calls its test files "test", the others "t10k".
        name = _PARTS[part] if self._set.mirror else part
        return f"{self._set.prefix.format(part=name)}-{kind}-ubyte"

    def _locate(self, root: Path, part: str, kind: str) -> Path:
        plain = root / self._set.folder / self._name(part, kind)
        path = find_file(plain, plain.with_name(plain.name + ".gz"))
        if path is None:
            raise missing_files(self._set.info.name, [plain], root)
        return path

    def verify_files(self, root: Path) -> None:
        """Check the gzipped files against their MD5; none is published for plain ones."""
        for (part, kind), digest in zip(_FILES, self._set.digests, strict=True):
            plain = root / self._set.folder / self._name(part, kind)
            if digest and not plain.exists():
                verify_present(plain.with_name(f"{plain.name}.gz"), f"md5:{digest}")

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch the files that are missing, verify those that are there."""
        folder = root / self._set.folder
        for (part, kind), digest in zip(_FILES, self._set.digests, strict=True):
            name = self._name(part, kind)
            remote = Remote(f"{self._set.mirror}{name}.gz", digest and f"md5:{digest}")
            if (folder / remote.filename).exists() or (folder / name).exists() or not fetch:
                continue
            if self._set.mirror:
                download(remote, folder)
            else:
                self._unpack_emnist(folder)
        if self.verify:
            self.verify_files(root)
        self.load(root)
        return folder

    @staticmethod
    def _unpack_emnist(folder: Path) -> None:
        archive = download(_EMNIST_ARCHIVE, folder)
        extract(archive, folder)
        for path in (folder / "gzip").glob("*.gz"):
            path.rename(folder / path.name)
