"""What a dataset is to the rest of the package: metadata, raw inputs, and targets behind an oracle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from autoal.data.digests import content_digest

if TYPE_CHECKING:
    from autoal.data.views import CachedViews


@dataclass(frozen=True)
class DatasetInfo:
    """Metadata of a dataset; the class count comes from here, never from labels.

    Attributes:
        name: The name used in configs, run directories and reports.
        input_shape: Shape of one sample, ``(C, H, W)`` for images or ``(F,)`` for tables and features.
        n_classes: Number of classes.
        mean: Per-channel mean of the training set in units of the scaled input (images: 0..1).
        std: Per-channel standard deviation, same units; ``mean`` and ``std`` empty: no normalisation.
        class_names: One name per class, or empty.
        source: Where the data come from (a URL or a citation of the archive).
        licence: The data's licence as its publisher states it.
        citation: How to cite it.
    """

    name: str
    input_shape: tuple[int, ...]
    n_classes: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    citation: str = ""


@runtime_checkable
class SampleSource(Protocol):
    """Random access to raw inputs by row.

    A source may also have ``digest() -> str``, a cheaper fingerprint than that of its content
    (:mod:`autoal.data.fingerprint`).
    """

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the raw inputs of ``rows`` (int64, ``(B,)``), shape ``(B, *input_shape)``.

        Images are ``uint8``; tables and features are floating.
        """
        ...

    def to(self, device: torch.device) -> SampleSource:
        """Return a source that fetches to ``device`` if it can live there, else itself."""
        ...

    def select(self, rows: Tensor) -> SampleSource:
        """Return a source of only ``rows`` (int64, ``(n,)``), in that order."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take as one tensor."""
        ...


@dataclass
class TensorSource:
    """All samples in one tensor: the fast path for data that fit.

    Attributes:
        inputs: Shape ``(N, *input_shape)``, ``uint8`` images or floating features.
        origin: The files that the samples were read from, which know their fingerprint; None: no files.
    """

    inputs: Tensor
    origin: SampleSource | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return int(self.inputs.shape[0])

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the raw inputs of ``rows``; see :class:`SampleSource`."""
        # On a CPU index_select copies whole samples, ten times faster than indexing with a tensor.
        return self.inputs.index_select(0, rows.to(self.inputs.device))

    def to(self, device: torch.device) -> TensorSource:
        """Return the source with its tensor on ``device``."""
        return self if self.inputs.device == device else replace(self, inputs=self.inputs.to(device))

    def select(self, rows: Tensor) -> TensorSource:
        """Return a source of only ``rows``."""
        return TensorSource(self.fetch(rows), None if self.origin is None else self.origin.select(rows.cpu()))

    def digest(self) -> str:
        """Return the fingerprint of the files that the samples came from, else of the tensor's content."""
        own = getattr(self.origin, "digest", None)
        return str(own()) if own is not None else content_digest(self)

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor."""
        return self.inputs.nbytes


@dataclass
class Split:
    """One part (train, val or test) of a dataset.

    Attributes:
        source: The raw inputs.
        targets: Class of each sample, int64, shape ``(N,)``; ``-1`` where unknown (never bought).
        names: The file of each sample as a path below the data set's folder, with ``/``; empty: no files.
        missing: Rows whose file has gone since the run began.
        views: Views of the samples that were made beforehand, by kind (``"weak"``, ``"strong"``); mostly none.
        digest: Fingerprint of both, once :func:`autoal.data.fingerprint.split_digest` has computed it.
    """

    source: SampleSource
    targets: Tensor
    digest: str | None = field(default=None, repr=False, compare=False)
    names: Sequence[str] = field(default=(), repr=False, compare=False)
    missing: Sequence[int] = field(default=(), repr=False, compare=False)
    views: Mapping[str, CachedViews] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.source)

    def select(self, rows: Tensor) -> Split:
        """Return the samples of ``rows`` (int64, ``(n,)``), in that order."""
        names = [self.names[r] for r in rows.tolist()] if self.names else ()
        views = {kind: made.select(rows) for kind, made in self.views.items()}
        return Split(self.source.select(rows), self.targets[rows], names=names, views=views)


class Dataset(ABC):
    """A dataset that can be loaded; subclasses are configured by one YAML each.

    Subclasses set :attr:`info` in ``__init__`` (it may depend on arguments) and implement :meth:`load`.
    Where metadata follow from the files (the classes of a folder of images, the columns of a table, a
    mean and standard deviation that nobody has published), :meth:`load` completes :attr:`info`: read it
    after loading. Until then an unknown class count is 0 and an unknown shape is empty.
    """

    info: DatasetInfo
    needs_files: ClassVar[bool] = True
    """Whether the data live in files under ``root`` (else they come with a dependency)."""
    verify: bool = True
    """Whether files must be the published ones (checksums, number of samples); see :mod:`autoal.data.loading`."""
    lacks_test: bool = False
    """Whether the data, once loaded, have no test part because labels are to be bought for one."""
    published: Mapping[str, int] = MappingProxyType({})
    """Published number of samples of each part, or of all parts together under ``"together"``."""

    @abstractmethod
    def load(self, root: Path) -> dict[str, Split]:
        """Read the splits ``"train"`` and ``"test"`` (and ``"val"`` where there is an official one).

        Args:
            root: The data directory (``paths.data_dir``).

        Raises:
            AutoALError: If files are missing (says where it looked and which command fetches them),
                unreadable or truncated.
        """

    def verify_files(self, root: Path) -> None:  # noqa: B027 - most data have no published checksum
        """Check the files that :meth:`load` would read against their published checksums; those that are there.

        Raises:
            AutoALError: If one differs.
        """

    def prepare(self, root: Path, fetch: bool = True) -> Path:
        """Download or verify the files, for ``autoal data``; returns where they are.

        Args:
            root: The data directory.
            fetch: Whether to download what is missing.

        Raises:
            AutoALError: If files are missing and can't be fetched, or their checksum is wrong.
        """
        self.load(root)
        return root
