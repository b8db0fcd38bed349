"""Your own images: a tree of class folders, or files listed in a CSV manifest."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch

from autoal.data.base import DatasetInfo
from autoal.data.filesets import ImageFileDataset, Listing, check_inside
from autoal.data.images import EXTENSIONS
from autoal.data.splits import stratified_split
from autoal.errors import AutoALError

SPLITS = ("train", "val", "test")
UNLABELLED = "unlabelled"


class ImageFolder(ImageFileDataset):
    """Images under one folder, in one of two layouts.

    A tree: ``train/<class>/**`` and ``test/<class>/**``, optionally ``val/<class>/**`` and ``unlabelled/**``.
    A manifest: a CSV file with the columns ``path`` (relative to the folder), ``label`` (empty where nobody
    knows it) and optionally ``split`` (train, val, test; unlabelled rows are always training samples).
    Where there is no test part, ``test_share`` of the labelled images are set aside.

    Unlabelled images belong to the training set but can't be bought. Classes are the labels of the training
    part, in alphabetical order.

    Args:
        path: The folder, absolute or below the data directory.
        manifest: The CSV file, absolute or below ``path``; None: a tree.
        test_share: Share of the labelled images that become the test set where none is given.
        split_seed: Seed of that split.
        size: See :class:`autoal.data.filesets.ImageFileDataset`, also for the other arguments.
        channels: 3 for RGB, 1 for grey.
        fit: ``"crop"`` or ``"stretch"``.
        normalise: ``"train"``, ``"imagenet"`` or ``"none"``.
        cache: Whether decoded images are kept.
        workers: Decoding threads.
        allow_outside: Whether images may lie outside the folder (absolute paths, ``..``, symbolic links).
        source: Where the images come from.
        licence: Their licence.
        citation: How to cite them.
    """

    def __init__(
        self,
        path: str,
        manifest: str | None = None,
        test_share: float = 0.2,
        split_seed: int = 0,
        size: int | Sequence[int] | None = None,
        channels: int = 3,
        fit: str = "crop",
        normalise: str = "train",
        cache: bool = False,
        workers: int = 0,
        allow_outside: bool = False,
        source: str = "",
        licence: str = "",
        citation: str = "",
    ) -> None:
        info = DatasetInfo(Path(path).name, (), 0, source=source, licence=licence, citation=citation)
        super().__init__(info, size, channels, fit, normalise, cache, workers)
        self._path = path
        self._manifest = manifest
        self._test_share = test_share
        self._split_seed = split_seed
        self._allow_outside = allow_outside

    def listing(self, root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
        """Return the files of the tree or of the manifest."""
        folder = root / Path(self._path).expanduser()
        if not folder.is_dir():
            raise AutoALError(
                f"dataset {self.info.name}: no folder {folder.absolute()}; set dataset.path to the folder of your "
                "images"
            )
        if self._manifest is None:
            listings, names = read_tree(folder)
        else:
            listings, names = read_manifest(folder / Path(self._manifest).expanduser(), folder)
        for listing in () if self._allow_outside else listings.values():
            check_inside(listing, folder)
        if not listings["test"].paths:
            labelled = listings["train"]
            targets = torch.tensor(labelled.targets, dtype=torch.int64)
            train, test = stratified_split(targets, self._test_share, self._split_seed)
            listings |= {"train": labelled.select(train), "test": labelled.select(test)}
        if not listings["val"].paths:
            del listings["val"]
        return listings, names


def images_below(folder: Path) -> list[Path]:
    """Return the image files below a folder, at any depth, in alphabetical order; hidden ones are skipped."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))


def _class_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def read_tree(folder: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
    """List a tree ``<split>/<class>/**``.

    Returns:
        The files of ``train``, ``val`` and ``test``, and the class names.

    Raises:
        AutoALError: If there is no class, a class folder is empty, or a class appears outside training alone.
    """
    names = tuple(p.name for p in _class_folders(folder / "train"))
    if len(names) < 2:
        raise AutoALError(
            f"{folder / 'train'} has {len(names)} class folders, at least 2 are needed: train/<class>/<image>, or "
            "set dataset.manifest to a CSV file"
        )
    listings = {split: Listing() for split in SPLITS}
    for split in SPLITS:
        for class_folder in _class_folders(folder / split):
            if class_folder.name not in names:
                raise AutoALError(f"{class_folder}: there is no class '{class_folder.name}' in {folder / 'train'}")
            files = images_below(class_folder)
            if not files:
                raise AutoALError(f"class folder {class_folder} holds no images ({', '.join(sorted(EXTENSIONS))})")
            for file in files:
                listings[split].add(file, names.index(class_folder.name))
    for file in images_below(folder / UNLABELLED) if (folder / UNLABELLED).is_dir() else []:
        listings["train"].add(file, -1)
    return listings, names


def read_manifest(path: Path, folder: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
    """List the files of a CSV manifest ``path,label[,split]``.

    Args:
        path: The CSV file.
        folder: What its paths are relative to.

    Returns:
        The files of ``train``, ``val`` and ``test``, and the class names.

    Raises:
        AutoALError: If a column is missing, a row is incomplete, an image stands twice, or a label outside
            training never occurs in training. Names file and row (the header is row 1).
    """
    if not path.is_file():
        raise AutoALError(f"dataset.manifest: no {path.absolute()}")
    rows: list[tuple[str, str, str, str]] = []
    first_row: dict[str, str] = {}
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            for needed in ("path", "label"):
                if needed not in columns:
                    raise AutoALError(
                        f"{path} has no column '{needed}'; it has: {', '.join(columns) or 'nothing'}"
                    )
            for row in reader:
                where = f"{path} row {reader.line_num}"
                name, label = (row["path"] or "").strip(), (row["label"] or "").strip()
                split = (row.get("split") or "train").strip().lower()
                if not name or "\0" in name:
                    raise AutoALError(f"{where}: the path is {'no path' if name else 'empty'}")
                if split not in SPLITS:
                    raise AutoALError(f"{where}: split '{split}' is not one of {', '.join(SPLITS)}")
                if not label and split != "train":
                    raise AutoALError(f"{where}: a {split} image needs a label")
                if name in first_row:
                    raise AutoALError(f"{where}: {name} stands in {first_row[name]} already")
                first_row[name] = where
                rows.append((name, label, split, where))
    except (UnicodeDecodeError, csv.Error) as error:
        raise AutoALError(f"{path} is not a CSV file in UTF-8: {error}") from error
    names = tuple(sorted({label for _, label, split, _ in rows if label and split == "train"}))
    if len(names) < 2:
        raise AutoALError(f"{path} has {len(names)} classes among its training rows, at least 2 are needed")
    number = {name: i for i, name in enumerate(names)} | {"": -1}
    listings = {split: Listing() for split in SPLITS}
    for name, label, split, where in rows:
        if label not in number:
            raise AutoALError(f"{where}: class '{label}' never occurs in training (classes: {', '.join(names)})")
        listings[split].add(folder / name, number[label], where)
    return listings, names
