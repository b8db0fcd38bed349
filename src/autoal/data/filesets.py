"""What all datasets of image files share: a listing becomes splits of decoded images."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from autoal.data.base import Dataset, DatasetInfo, SampleSource, Split
from autoal.data.cache import cached
from autoal.data.images import Decoder, ImageFiles
from autoal.data.statistics import channel_statistics
from autoal.errors import AutoALError
from autoal.files import short

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
NORMALISE = ("train", "imagenet", "none")
STATISTICS_SAMPLES = 1000


@dataclass
class Listing:
    """The files of one split.

    Attributes:
        paths: One file per sample.
        targets: Class of each sample; -1 where unknown.
        where: For each sample, where its file is named (``labels.csv row 7``); or empty.
    """

    paths: list[Path] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    where: list[str] = field(default_factory=list)

    def add(self, path: Path, target: int, where: str = "") -> None:
        """Append a sample."""
        self.paths.append(path)
        self.targets.append(target)
        if where:
            self.where.append(where)

    def select(self, rows: Tensor) -> Listing:
        """Return the samples of ``rows``, in that order."""
        wanted = rows.tolist()
        where = [self.where[r] for r in wanted] if self.where else []
        return Listing([self.paths[r] for r in wanted], [self.targets[r] for r in wanted], where)


@dataclass(frozen=True)
class Pinned:
    """The training images of a run that goes on, so that each keeps its row whatever has come or gone since.

    Attributes:
        names: Their names, in the order of their rows.
        mean: Mean of each channel when the run began; empty: not normalised.
        std: Standard deviation, likewise.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def order(self, listing: Listing, base: Path) -> tuple[Listing, frozenset[int]]:
        """Return a listing with the pinned images first and new ones after them, and the rows that are missing."""
        row = {name_below(path, base): i for i, path in enumerate(listing.paths)}
        missing = frozenset(i for i, name in enumerate(self.names) if name not in row)
        ordered = Listing()
        for name in (*self.names, *(name for name in row if name not in set(self.names))):
            i = row.get(name)
            where = listing.where[i] if i is not None and listing.where else ""
            ordered.paths.append(base / name if i is None else listing.paths[i])
            ordered.targets.append(-1 if i is None else listing.targets[i])
            ordered.where.append(where)
        return ordered, missing


def name_below(path: Path, base: Path) -> str:
    """Return the name of an image: its path below the data set's folder with ``/``, or all of it elsewhere."""
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


class ImageFileDataset(Dataset):
    """Images in files. Subclasses say which files there are in :meth:`listing`.

    Args:
        info: What is known before the files are seen.
        size: Height and width to resize to, or one number for both; None: as the files are.
        channels: 3 for RGB, 1 for grey.
        fit: ``"crop"`` or ``"stretch"``, see :class:`autoal.data.images.Decoder`.
        normalise: ``"train"`` (mean and standard deviation of training images), ``"imagenet"`` or ``"none"``.
        cache: Keep the decoded images in a memory-mapped file under ``<root>/.autoal-cache``.
        workers: Decoding threads; 0: one per core, at most 16.
    """

    def __init__(
        self,
        info: DatasetInfo,
        size: int | Sequence[int] | None = None,
        channels: int = 3,
        fit: str = "crop",
        normalise: str = "train",
        cache: bool = False,
        workers: int = 0,
    ) -> None:
        if normalise not in NORMALISE:
            raise AutoALError(f"dataset.normalise={normalise} is not one of {', '.join(NORMALISE)}")
        self._decoder = Decoder(channels, _pair(size), fit)
        self._normalise = normalise
        self._cache = cache
        self._workers = workers
        shape = (channels, *self._decoder.size) if self._decoder.size else ()
        self.info = replace(info, input_shape=shape)

    @abstractmethod
    def listing(self, root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
        """Return the files of each split and the class names.

        Raises:
            AutoALError: If something is missing or contradicts itself.
        """

    pinned: Pinned | None = None
    """Training images that keep their rows; None: rows follow from the listing."""

    def base(self, root: Path) -> Path:
        """Return the folder below which images are named."""
        return root

    def load(self, root: Path) -> dict[str, Split]:
        """List the files, check that they exist, and complete :attr:`info`."""
        listings, class_names = self.listing(root)
        for listing in listings.values():
            check_files(listing)
        missing: frozenset[int] = frozenset()
        if self.pinned is not None:
            listings["train"], missing = self.pinned.order(listings["train"], self.base(root))
        train = listings["train"]
        first = next((i for i in range(len(train.paths)) if i not in missing), None)
        if first is None:
            raise AutoALError(f"dataset {self.info.name} has no training images")
        shape = self._decoder(train.paths[first], train.where[first] if train.where else "").shape
        splits = {
            name: self._split(root, listing, shape, missing if name == "train" else frozenset())
            for name, listing in listings.items()
        }
        mean, std = self._statistics(splits["train"].source, shape[0])
        self.info = replace(
            self.info,
            input_shape=tuple(shape),
            n_classes=len(class_names),
            class_names=class_names,
            mean=mean,
            std=std,
        )
        return splits

    def _split(self, root: Path, listing: Listing, shape: tuple[int, ...], missing: frozenset[int]) -> Split:
        files = ImageFiles(listing.paths, self._decoder, shape, listing.where, self._workers, missing)
        # The cache is known by its files; one that has gone would spoil it.
        cache = self._cache and len(files) and not missing
        source = cached(files, root / ".autoal-cache") if cache else files
        names = [name_below(path, self.base(root)) for path in listing.paths]
        targets = torch.tensor(listing.targets, dtype=torch.int64)
        return Split(source, targets, names=names, missing=sorted(missing))

    def _statistics(self, source: SampleSource, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self.pinned is not None:
            return self.pinned.mean, self.pinned.std
        if self._normalise == "train":
            return channel_statistics(source, STATISTICS_SAMPLES)
        if self._normalise == "none":
            return (), ()
        if channels == 1:
            return (sum(IMAGENET_MEAN) / 3,), (sum(IMAGENET_STD) / 3,)
        return IMAGENET_MEAN, IMAGENET_STD


def _pair(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if isinstance(size, int):
        return size, size
    if len(size) != 2:
        raise AutoALError(f"dataset.size={list(size)} is not a height and a width")
    return int(size[0]), int(size[1])


def check_files(listing: Listing) -> None:
    """Check that every file of a listing exists.

    Raises:
        AutoALError: Naming the first that does not, and the row that names it.
    """
    for i, path in enumerate(listing.paths):
        if not _is_file(path):
            named = f", named in {listing.where[i]}" if listing.where else ""
            raise AutoALError(f"no image {short(str(path))}{named}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for the file system, a folder that nobody may read
        return False


def below(folder: Path, name: str, where: str) -> Path:
    """Return the path of a file that a published list names, which must lie below the list's folder.

    Raises:
        AutoALError: If the name is absolute or climbs out of the folder.
    """
    if Path(name).is_absolute() or Path(os.path.normpath(name)).parts[:1] == (os.pardir,):
        raise AutoALError(f"{where}: {short(name)} lies outside {folder}")
    return folder / name


def check_inside(listing: Listing, folder: Path) -> None:
    """Check that every file of a listing lies in a folder, also where symbolic links lead elsewhere.

    Raises:
        AutoALError: Naming the first that does not, and the row that names it.
    """
    base = folder.resolve()
    # Most files share a few folders, and resolving a path asks the system about each of its parts.
    inside: dict[Path, bool] = {}
    for i, path in enumerate(listing.paths):
        if path.parent not in inside:
            inside[path.parent] = path.parent.resolve().is_relative_to(base)
        if (
            path.name == os.pardir
            or not inside[path.parent]
            or (
                os.path.islink(path)  # noqa: PTH114 - False for a name that is too long, where Path raises
                and not path.resolve().is_relative_to(base)
            )
        ):
            named = f"{listing.where[i]}: " if listing.where else ""
            raise AutoALError(
                f"{named}{short(str(path))} lies outside {base}; dataset.allow_outside=true reads it nevertheless"
            )
