"""SVHN, cropped digits, from its official MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.data.checks import check_labels
from autoal.data.files import Remote, download, missing_files, verify_present
from autoal.errors import AutoALError

_REMOTES = {
    "train": Remote(
        "http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "md5:e26dedcc434d2e4c54c9b2d4a06d8373"
    ),
    "test": Remote(
        "http://ufldl.stanford.edu/housenumbers/test_32x32.mat", "md5:eb5a983be6a315427106f1b164d9cef3"
    ),
}


class SVHN(Dataset):
    """32x32 colour images of house-number digits: 73,257 train, 26,032 test.

    Args:
        n_train: Keep the first so many training images (60,000 in ALFA-Mix's protocol); None: all.
    """

    def __init__(self, n_train: int | None = None) -> None:
        self._n_train = n_train
        self.info = DatasetInfo(
            name="svhn",
            input_shape=(3, 32, 32),
            n_classes=10,
            mean=(0.4377, 0.4438, 0.4728),
            std=(0.1980, 0.2010, 0.1970),
            class_names=tuple(str(i) for i in range(10)),
            source="http://ufldl.stanford.edu/housenumbers/",
            licence="non-commercial use only",
            citation="Netzer et al.: Reading Digits in Natural Images with Unsupervised Feature Learning. 2011.",
        )

    def load(self, root: Path) -> dict[str, Split]:
        """Read ``train_32x32.mat`` and ``test_32x32.mat``."""
        missing = [root / r.filename for r in _REMOTES.values() if not (root / r.filename).exists()]
        if missing:
            raise missing_files("svhn", missing, root)
        splits = {part: self._read(root / remote.filename) for part, remote in _REMOTES.items()}
        if self._n_train is not None:
            rows = torch.arange(min(self._n_train, len(splits["train"])))
            splits["train"] = Split(splits["train"].source.select(rows), splits["train"].targets[rows])
        return splits

    def _read(self, path: Path) -> Split:
        from scipy.io import loadmat

        try:
            content = loadmat(path, variable_names=["X", "y"])
            pixels, labels = content["X"], content["y"].reshape(-1).astype(np.int64)
        except Exception as error:
            # scipy's reader fails in many ways on damaged files (ValueError, zlib.error, MatReadError, KeyError).
            raise AutoALError(f"{path} is truncated or damaged: {type(error).__name__}: {error}") from error
        if pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3) or pixels.shape[3] != len(labels):
            raise AutoALError(f"{path} is no SVHN file: images {pixels.shape}, {len(labels)} labels")
        # Stored as (H, W, C, N); the digit 0 has label 10.
        images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)))
        targets = torch.from_numpy(labels)
        targets = torch.where(targets == 10, 0, targets)
        check_labels(targets, self.info.n_classes, path)
        return Split(TensorSource(images), targets)

    def verify_files(self, root: Path) -> None:
        """Check both files against their MD5."""
        for remote in _REMOTES.values():
            verify_present(root / remote.filename, remote.digest)

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch what is missing and verify both files."""
        for remote in _REMOTES.values():
            if fetch and not (root / remote.filename).exists():
                download(remote, root)
            if not (root / remote.filename).exists():
                raise missing_files("svhn", [root / remote.filename], root)
        if self.verify:
            self.verify_files(root)
        return root
