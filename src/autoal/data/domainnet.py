"""DomainNet, the photographs (real), from its published text lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoal.data.archives import extract
from autoal.data.base import DatasetInfo
from autoal.data.files import Remote, download, missing_files
from autoal.data.filesets import ImageFileDataset, Listing, below
from autoal.errors import AutoALError

_IMAGES = {"real": {"train": 120_906, "test": 52_041}}
_BASE = "http://csr.bu.edu/ftp/visda/2019/multi-source"


class DomainNet(ImageFileDataset):
    """Photographs of 345 classes in any size, with the published train and test lists.

    Args:
        domain: Which of DomainNet's domains.
        size: Height and width to resize to.
        fit: ``"crop"`` or ``"stretch"``.
        normalise: ``"train"``, ``"imagenet"`` or ``"none"``.
        cache: Whether decoded images are kept; at 224x224 they take 26 GB.
        workers: Decoding threads.
    """

    def __init__(
        self,
        domain: str = "real",
        size: int | Sequence[int] = 224,
        fit: str = "crop",
        normalise: str = "imagenet",
        cache: bool = False,
        workers: int = 0,
    ) -> None:
        info = DatasetInfo(
            name=f"domainnet_{domain}",
            input_shape=(),
            n_classes=0,
            source="http://ai.bu.edu/M3SDA/",
            licence="fair use notice: non-commercial research",
            citation="Peng et al.: Moment Matching for Multi-Source Domain Adaptation. arXiv:1812.01754.",
        )
        super().__init__(info, size, 3, fit, normalise, cache, workers)
        self._domain = domain
        self.published = _IMAGES.get(domain, {})

    def listing(self, root: Path) -> tuple[dict[str, Listing], tuple[str, ...]]:
        """Read ``<domain>_train.txt`` and ``<domain>_test.txt``: lines of a path and a class number."""
        folder = root / "domainnet"
        words = "domainnet_real" if self._domain == "real" else f"domainnet_real domain={self._domain}"
        names: dict[int, str] = {}
        listings: dict[str, Listing] = {}
        for part in ("train", "test"):
            path = folder / f"{self._domain}_{part}.txt"
            if not path.exists():
                raise missing_files(words, [path], root)
            listings[part] = self._read(path, folder, names)
        if sorted(names) != list(range(len(names))):
            absent = next(i for i in range(max(names) + 1) if i not in names)
            raise AutoALError(f"{folder}: the lists name class {max(names)} but never class {absent}")
        return listings, tuple(names[i] for i in range(len(names)))

    @staticmethod
    def _read(path: Path, folder: Path, names: dict[int, str]) -> Listing:
        listing = Listing()
        for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            file, _, number = line.strip().rpartition(" ")
            if not file or not (number.isascii() and number.isdigit()):
                raise AutoALError(f"{path} row {row}: {line!r} is not a path and a class number")
            # real/<class name>/<file>: the class has the name of its folder.
            name = Path(file).parent.name
            if names.setdefault(int(number), name) != name:
                raise AutoALError(
                    f"{path} row {row}: class {number} is '{name}' here and '{names[int(number)]}' before"
                )
            where = f"{path} row {row}"
            listing.add(below(folder, file, where), int(number), where)
        return listing

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Fetch the lists and the archive unless they are there; check that every listed image is there."""
        folder = root / "domainnet"
        if fetch:
            for part in ("train", "test"):
                download(Remote(f"{_BASE}/domainnet/txt/{self._domain}_{part}.txt"), folder)
            if not (folder / self._domain).exists():
                extract(download(Remote(f"{_BASE}/{self._domain}.zip"), folder), folder)
        self.load(root)
        return folder
