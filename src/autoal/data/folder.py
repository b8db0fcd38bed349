"""Your own images: a tree of class folders, or files listed in a CSV manifest."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch

from autoal.data.base import DatasetInfo
from autoal.data.filesets import ImageFileDataset, Listing, check_files, check_inside, name_below
from autoal.data.images import EXTENSIONS
from autoal.data.splits import item_split
from autoal.errors import AutoALError, unknown_name

SPLITS = ("train", "val", "test")
UNLABELLED = "unlabelled"


class ImageFolder(ImageFileDataset):
    """Images under one folder, in one of two layouts.

    A tree: ``train/<class>/**`` and ``test/<class>/**``, optionally ``val/<class>/**`` and ``unlabelled/**``.
    A manifest: a CSV file with the columns ``path`` (relative to the folder), ``label`` (empty where nobody
    knows it) and optionally ``split`` (train, val, test; unlabelled rows are always training samples).
    Where there is no test part, about ``test_share`` of the labelled images are set aside: which ones depends
    only on each image's path, so that none changes sides when others come, go or get a label.
    With ``class_names`` a folder of images without any labels will do, in any depth of subfolders.

    Unlabelled images belong to the training set; a simulated oracle has no label of them to sell. Classes are
    ``class_names``, or the labels of the training part in alphabetical order.

    Args:
        path: The folder, absolute or below the data directory.
        manifest: The CSV file, absolute or below ``path``; None: a tree.
        test_share: Share of the labelled images that become the test set where none is given; 0: there is none,
            labels are bought for one (``oracle.n_test``).
        split_seed: Seed of that split.
        size: See :class:`autoal.data.filesets.ImageFileDataset`, also for the other arguments.
        channels: 3 for RGB, 1 for grey.
        fit: ``"crop"`` or ``"stretch"``.
        normalise: ``"train"``, ``"imagenet"`` or ``"none"``.
        cache: Whether decoded images are kept.
        workers: Decoding threads.
        allow_outside: Whether images may lie outside the folder (absolute paths, ``..``, symbolic links).
        class_names: The classes, in the order of their numbers; needed where not every class has a label yet.
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
        class_names: Sequence[str] | None = None,
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
        self._class_names = check_class_names(class_names)

    def base(self, root: Path) -> Path:
        """Return the folder of the images."""
        return root / Path(self._path).expanduser()

    def listing(self, root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
        """Return the files of the tree or of the manifest."""
        folder = self.base(root)
        if not folder.is_dir():
            raise AutoALError(
                f"dataset {self.info.name}: no folder {folder.absolute()}; set dataset.path to the folder of your "
                "images"
            )
        if self._manifest is not None:
            path = folder / Path(self._manifest).expanduser()
            listings, names = read_manifest(path, folder, self._class_names)
        elif self._class_names and not (folder / "train").is_dir():
            listings, names = {split: Listing() for split in SPLITS}, self._class_names
            for file in images_below(folder):
                listings["train"].add(file, -1)
        else:
            listings, names = read_tree(folder, self._class_names)
        for listing in () if self._allow_outside else listings.values():
            check_inside(listing, folder)
        if not listings["test"].paths:
            listings |= self._set_aside(listings["train"], folder)
        self.lacks_test = not listings["test"].paths
        return {name: part for name, part in listings.items() if part.paths or name == "train"}, names

    def _set_aside(self, train: Listing, folder: Path) -> dict[str, Listing]:
        """Return the training and the test part of a listing that has no test part."""
        targets = torch.tensor(train.targets, dtype=torch.int64)
        if self._test_share == 0 or not (targets >= 0).any():
            return {}
        check_files(train)  # a name of nothing is no image to set aside
        names = [name_below(path, folder) for path in train.paths]
        rows, test = item_split(names, targets, self._test_share, self._split_seed)
        return {"train": train.select(rows), "test": train.select(test)}


def check_class_names(names: Sequence[str] | None) -> tuple[str, ...]:
    """Check the config key ``dataset.class_names``; returns an empty tuple where it is not given.

    Raises:
        AutoALError: If there are fewer than two, one stands twice, or one is empty.
    """
    found = tuple(str(name).strip() for name in names or ())
    if names is not None and len(found) < 2:
        raise AutoALError(f"dataset.class_names={list(found)}: at least 2 classes are needed")
    twice = [name for name in found if found.count(name) > 1 or not name]
    if twice:
        raise AutoALError(f"dataset.class_names: '{twice[0]}' is {'a class twice' if twice[0] else 'no name'}")
    return found


def images_below(folder: Path) -> list[Path]:
    """Return the image files below a folder, at any depth, in alphabetical order; hidden ones are skipped."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))


def _class_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def read_tree(folder: Path, class_names: tuple[str, ...] = ()) -> tuple[dict[str, Listing], tuple[str, ...]]:
    """List a tree ``<split>/<class>/**``.

    Args:
        folder: The folder.
        class_names: The classes; empty: the folders of the training part.

    Returns:
        The files of ``train``, ``val`` and ``test``, and the class names.

    Raises:
        AutoALError: If there is no class, a class folder is empty, or a class appears only outside training.
    """
    names = class_names or tuple(p.name for p in _class_folders(folder / "train"))
    if len(names) < 2:
        raise AutoALError(
            f"{folder / 'train'} has {len(names)} class folders, at least 2 are needed: train/<class>/<image>, or "
            "set dataset.manifest to a CSV file"
        )
    listings = {split: Listing() for split in SPLITS}
    for split in SPLITS:
        for class_folder in _class_folders(folder / split):
            if class_folder.name not in names:
                known = "dataset.class_names" if class_names else folder / "train"
                raise AutoALError(f"{class_folder}: there is no class '{class_folder.name}' in {known}")
            files = images_below(class_folder)
            if not files:
                raise AutoALError(f"class folder {class_folder} holds no images ({', '.join(sorted(EXTENSIONS))})")
            for file in files:
                listings[split].add(file, names.index(class_folder.name))
    for file in images_below(folder / UNLABELLED) if (folder / UNLABELLED).is_dir() else []:
        listings["train"].add(file, -1)
    return listings, names


def read_manifest(
    path: Path, folder: Path, class_names: tuple[str, ...] = ()
) -> tuple[dict[str, Listing], tuple[str, ...]]:
    """List the files of a CSV manifest ``path,label[,split]``.

    Args:
        path: The CSV file.
        folder: What its paths are relative to.
        class_names: The classes; empty: the labels of the training rows.

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
    names = class_names or tuple(sorted({label for _, label, split, _ in rows if label and split == "train"}))
    if len(names) < 2:
        raise AutoALError(f"{path} has {len(names)} classes among its training rows, at least 2 are needed")
    number = {name: i for i, name in enumerate(names)} | {"": -1}
    listings = {split: Listing() for split in SPLITS}
    for name, label, split, where in rows:
        if label not in number and class_names:
            raise AutoALError(f"{where}: {unknown_name('class', label, class_names)}")
        if label not in number:
            raise AutoALError(f"{where}: class '{label}' never occurs in training (classes: {', '.join(names)})")
        listings[split].add(folder / name, number[label], where)
    return listings, names
