"""Tiny ImageNet in the layout of its official zip archive."""

from __future__ import annotations

from pathlib import Path

from autoal.data.archives import extract
from autoal.data.base import DatasetInfo
from autoal.data.files import Remote, download, missing_files
from autoal.data.filesets import ImageFileDataset, Listing, below
from autoal.data.folder import images_below
from autoal.errors import AutoALError

_ARCHIVE = Remote("http://cs231n.stanford.edu/tiny-imagenet-200.zip", "md5:90528d7ca1a48142e341f4ef8d21d0de")


class TinyImageNet(ImageFileDataset):
    """64x64 colour images of 200 ImageNet classes: 100,000 train; the 10,000 of the val part are the test set.

    The labels of the archive's own test part were never published.

    Args:
        cache: Whether decoded images are kept.
        workers: Decoding threads.
    """

    def __init__(self, cache: bool = True, workers: int = 0) -> None:
        info = DatasetInfo(
            name="tiny_imagenet",
            input_shape=(3, 64, 64),
            n_classes=200,
            source="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            licence="ImageNet terms: non-commercial research",
            citation="Le, Yang: Tiny ImageNet Visual Recognition Challenge. Stanford CS 231N, 2015.",
        )
        super().__init__(info, size=64, normalise="train", cache=cache, workers=workers)
        self.published = {"train": 100_000, "test": 10_000}

    def listing(self, root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
        """Read ``wnids.txt``, ``train/<wnid>/images`` and ``val/val_annotations.txt``."""
        folder = root / "tiny-imagenet-200"
        annotations = folder / "val" / "val_annotations.txt"
        for needed in (folder / "wnids.txt", annotations):
            if not needed.exists():
                raise missing_files("tiny_imagenet", [needed], root)
        wnids = sorted((folder / "wnids.txt").read_text(encoding="utf-8").split())
        number = {wnid: i for i, wnid in enumerate(wnids)}
        train, test = Listing(), Listing()
        for wnid in wnids:
            files = images_below(folder / "train" / wnid / "images")
            if not files:
                raise AutoALError(f"{folder / 'train' / wnid / 'images'} holds no images")
            for file in files:
                train.add(file, number[wnid])
        for row, line in enumerate(annotations.read_text(encoding="utf-8").splitlines(), 1):
            # File name, wnid, and four numbers of a bounding box.
            fields = line.split("\t")
            if len(fields) < 2 or fields[1] not in number:
                raise AutoALError(f"{annotations} row {row}: no class of wnids.txt in {line!r}")
            where = f"{annotations} row {row}"
            test.add(below(folder / "val" / "images", fields[0], where), number[fields[1]], where)
        return {"train": train, "test": test}, tuple(wnids)

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch and unpack the archive unless it is there; check the listing."""
        folder = root / "tiny-imagenet-200"
        if fetch and not folder.exists():
            extract(download(_ARCHIVE, root), root)
        self.load(root)
        return folder
