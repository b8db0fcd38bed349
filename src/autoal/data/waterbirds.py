"""Waterbirds: birds on backgrounds that mislead, from its published metadata.csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from autoal.data.archives import extract
from autoal.data.base import DatasetInfo
from autoal.data.files import Remote, download, missing_files
from autoal.data.filesets import ImageFileDataset, Listing, below
from autoal.errors import AutoALError

_FOLDER = "waterbird_complete95_forest2water2"
_ARCHIVE = Remote(f"https://nlp.stanford.edu/data/dro/{_FOLDER}.tar.gz")
_PARTS = {"0": "train", "1": "val", "2": "test"}


class Waterbirds(ImageFileDataset):
    """Landbirds and waterbirds: 4,795 train, 1,199 val, 5,794 test.

    Args:
        size: Height and width to resize to.
        fit: ``"crop"`` or ``"stretch"``.
        normalise: ``"train"``, ``"imagenet"`` or ``"none"``.
        cache: Whether decoded images are kept.
        workers: Decoding threads.
    """

    def __init__(
        self,
        size: int | Sequence[int] = 224,
        fit: str = "crop",
        normalise: str = "imagenet",
        cache: bool = True,
        workers: int = 0,
    ) -> None:
        info = DatasetInfo(
            name="waterbirds",
            input_shape=(),
            n_classes=2,
            class_names=("landbird", "waterbird"),
            source="https://github.com/kohpangwei/group_DRO",
            licence="none stated (made from CUB-200-2011 and Places)",
            citation="Sagawa et al.: Distributionally Robust Neural Networks. ICLR 2020, arXiv:1911.08731.",
        )
        super().__init__(info, size, 3, fit, normalise, cache, workers)
        self.published = {"train": 4795, "val": 1199, "test": 5794}

    def listing(self, root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
        """Read ``metadata.csv``."""
        metadata = root / _FOLDER / "metadata.csv"
        if not metadata.exists():
            raise missing_files("waterbirds", [metadata], root)
        listings = {part: Listing() for part in _PARTS.values()}
        with metadata.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            for row in reader:
                where = f"{metadata} row {reader.line_num}"
                if row.get("split") not in _PARTS or row.get("y") not in ("0", "1") or not row.get("img_filename"):
                    raise AutoALError(f"{where}: img_filename, y in 0..1 and split in 0..2 are needed")
                image = below(metadata.parent, row["img_filename"], where)
                listings[_PARTS[row["split"]]].add(image, int(row["y"]), where)
        return listings, ("landbird", "waterbird")

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch and unpack the archive unless it is there; check the listing."""
        if fetch and not (root / _FOLDER).exists():
            extract(download(_ARCHIVE, root), root)
        self.load(root)
        return root / _FOLDER
