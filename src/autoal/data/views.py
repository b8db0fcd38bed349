"""Views of samples that were made beforehand, as ``autoal embed --views`` writes them beside the features."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autoal.data.digests import join
from autoal.data.memmap import ArraySource, native
from autoal.errors import AutoALError
from autoal.rng import sample_uniform

KINDS = ("weak", "strong")
"""Views that differ little from their sample, and much."""


def part_of(kind: str) -> str:
    """Return the name of a kind's views among the parts: ``"train_weak"``, in ``train_weak_features.npy``."""
    return f"train_{kind}"


@dataclass(frozen=True)
class CachedViews:
    """V views of each sample of a part.

    Attributes:
        array: ``(V, N, F)``, floating, memory-mapped where it comes from a file.
        rows: Which of the N the part's samples are, int64, ``(n,)``; None: all.
    """

    array: npt.NDArray[Any]
    rows: Tensor | None = None

    @property
    def number(self) -> int:
        """How many views each sample has."""
        return len(self.array)

    def pick(self, key: int, draws: Tensor) -> Tensor:
        """Choose a view for each sample, evenly; a choice follows from the key and the sample's own number alone.

        Args:
            key: A stream's seed, see :func:`autoal.rng.stream_seed`.
            draws: What tells the choices apart, such as the samples' ids, int64, ``(B,)``.

        Returns:
            Numbers of views, int64, ``(B,)``.
        """
        return (sample_uniform(key, draws, 1, torch.float64)[:, 0] * self.number).to(torch.int64)

    def fetch(self, rows: Tensor, chosen: Tensor) -> Tensor:
        """Return one view of each of some samples.

        Args:
            rows: Samples of the part, int64, ``(B,)``.
            chosen: The view of each, int64, ``(B,)``.

        Returns:
            ``(B, F)``, on the CPU.
        """
        wanted = rows.cpu() if self.rows is None else self.rows[rows.cpu()]
        found = self.array[chosen.cpu().numpy(), wanted.numpy()]
        return torch.from_numpy(np.ascontiguousarray(found, dtype=native(self.array.dtype)))

    def select(self, rows: Tensor) -> CachedViews:
        """Return the views of ``rows`` alone; nothing is read."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def digest(self) -> str:
        """Return the fingerprint, by the rule of :class:`~autoal.data.memmap.ArraySource`."""
        rows = "" if self.rows is None else hashlib.sha256(self.rows.numpy().tobytes()).hexdigest()
        return join((ArraySource(self.array).digest(), rows))


def cached_views(
    arrays: Mapping[str, npt.NDArray[Any]], shape: tuple[int, int], path: Path
) -> dict[str, CachedViews]:
    """Take the views out of the arrays of a folder or archive.

    Args:
        arrays: By name; views are ``train_weak_features`` and ``train_strong_features``.
        shape: ``(N, F)`` of the training features.
        path: Where the arrays come from, for messages.

    Returns:
        By kind, those that are there.

    Raises:
        AutoALError: If the views are of other samples.
    """
    found = {}
    for kind in KINDS:
        name = f"{part_of(kind)}_features"
        if name not in arrays:
            continue
        array = arrays[name]
        if array.ndim != 3 or array.dtype.kind != "f" or array.shape[1:] != shape or not len(array):
            raise AutoALError(
                f"{path}: {name} are {array.dtype} {array.shape}, not floating (views, {shape[0]}, {shape[1]}); "
                "remove them, or make them with autoal embed --views"
            )
        found[kind] = CachedViews(array)
    return found
