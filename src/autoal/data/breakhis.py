"""BreakHis: microscopic images of breast tumours, in the layout of its official archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from autoal.data.archives import extract
from autoal.data.base import DatasetInfo
from autoal.data.files import Remote, download, missing_files
from autoal.data.filesets import ImageFileDataset, Listing
from autoal.data.folder import images_below
from autoal.data.splits import grouped_split, stratified_split
from autoal.errors import AutoALError

_ARCHIVE = Remote("http://www.inf.ufpr.br/vri/databases/BreaKHis_v1.tar.gz")
_CLASSES = ("benign", "malignant")
_MAGNIFICATIONS = (40, 100, 200, 400)
_IMAGES = {40: 1995, 100: 2081, 200: 2013, 400: 1820, None: 7909}


class BreakHis(ImageFileDataset):
    """Benign or malignant: 7,909 images of 82 patients.

    There is no official split in the archive. DeepAL+ draws 70 % of the images without a seed; here the
    draw has one. ``split_by=patient`` keeps each patient's images in one part, which measures what a
    clinic would see.

    Args:
        magnification: 40, 100, 200 or 400; None: all.
        split_by: ``"image"`` (as in the papers) or ``"patient"``.
        test_share: Share of the test part.
        split_seed: Seed of the split.
        size: Height and width to resize to.
        fit: ``"crop"`` or ``"stretch"``.
        normalise: ``"train"``, ``"imagenet"`` or ``"none"``.
        cache: Whether decoded images are kept.
        workers: Decoding threads.
    """

    def __init__(
        self,
        magnification: int | None = None,
        split_by: str = "image",
        test_share: float = 0.3,
        split_seed: int = 0,
        size: int | Sequence[int] = 224,
        fit: str = "crop",
        normalise: str = "train",
        cache: bool = True,
        workers: int = 0,
    ) -> None:
        if magnification is not None and magnification not in _MAGNIFICATIONS:
            raise AutoALError(f"dataset.magnification={magnification} is not one of 40, 100, 200, 400")
        if split_by not in ("image", "patient"):
            raise AutoALError(f"dataset.split_by={split_by} is not one of image, patient")
        info = DatasetInfo(
            name="breakhis",
            input_shape=(),
            n_classes=2,
            class_names=_CLASSES,
            source="https://web.inf.ufpr.br/vri/databases/breast-cancer-histopathological-database-breakhis/",
            licence="CC BY 4.0",
            citation="Spanhol et al.: A Dataset for Breast Cancer Histopathological Image Classification. 2016.",
        )
        super().__init__(info, size, 3, fit, normalise, cache, workers)
        self._magnification = magnification
        self.published = {"together": _IMAGES[magnification]}
        self._split_by = split_by
        self._test_share = test_share
        self._split_seed = split_seed

    def listing(self, root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
        """Read ``breast/<class>/SOB/<type>/<patient>/<magnification>X/*.png``."""
        base = root / "BreaKHis_v1" / "histology_slides" / "breast"
        if not base.exists():
            raise missing_files("breakhis", [base], root)
        everything = Listing()
        patients = []
        for number, name in enumerate(_CLASSES):
            files = [f for f in images_below(base / name) if self._wanted(f)]
            if not files:
                raise AutoALError(f"{base / name} holds no images")
            for file in files:
                everything.add(file, number)
                patients.append(file.parent.parent.name)
        if self._split_by == "patient":
            train, test = grouped_split(patients, self._test_share, self._split_seed)
        else:
            targets = torch.tensor(everything.targets)
            train, test = stratified_split(targets, self._test_share, self._split_seed)
        return {"train": everything.select(train), "test": everything.select(test)}, _CLASSES

    def _wanted(self, file: Path) -> bool:
        return self._magnification is None or file.parent.name == f"{self._magnification}X"

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch and unpack the archive unless it is there; check the listing."""
        if fetch and not (root / "BreaKHis_v1").exists():
            extract(download(_ARCHIVE, root), root)
        self.load(root)
        return root / "BreaKHis_v1"
