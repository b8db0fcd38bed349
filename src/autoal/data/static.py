"""Static features: one row per training sample that does not come from the classifier under training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autoal.data.base import SampleSource, Split
from autoal.data.checks import check_finite
from autoal.data.digests import join
from autoal.data.embedded import CARD, check_finished
from autoal.data.fingerprint import source_digest, split_digest
from autoal.data.memmap import ArraySource, chunks, open_array
from autoal.errors import AutoALError

_CHUNK = 8192


class StaticFeatures:
    """Rows of features by sample id, for strategies with ``features=static`` and for cold starts.

    Args:
        source: ``(N, F)`` floating rows; row i belongs to sample i.
    """

    def __init__(self, source: SampleSource) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def digest(self) -> str:
        """Return a fingerprint of the features, to tell one set from another."""
        return join((str(len(self)), source_digest(self._source)))

    def __call__(self, ids: Tensor) -> Tensor:
        """Return the features of some samples in float32 (float64 stays), ``(len(ids), F)``, on the CPU."""
        rows = self._source.fetch(ids.cpu()).cpu()
        return rows if rows.dtype == torch.float64 else rows.float()


def load_static(folder: str | None, train: Split, root: Path, name: str) -> StaticFeatures | None:
    """Open the static features of a training part.

    Args:
        folder: A folder with ``train_features.npy``, as ``autoal embed`` writes it, or that file itself, as typed
            or below ``root``; None: the inputs themselves where they are vectors.
        train: The training part.
        root: The data directory.
        name: Name of the dataset, for messages.

    Returns:
        The features, or None where there are none.

    Raises:
        AutoALError: If the file is missing, damaged, of another length, or made of other data.
    """
    if folder is None:
        one = train.source.fetch(torch.arange(1))
        return StaticFeatures(train.source) if one.ndim == 2 and one.is_floating_point() else None
    place = Path(folder).expanduser()
    place = place if place.exists() else root / place
    file = place / "train_features.npy" if place.is_dir() else place
    if not file.is_file():
        words = f"{name} backbone=torchvision backbone.model=resnet18 backbone.pretrained=true --out {folder}"
        raise AutoALError(f"features={folder}: no {file}; make it with: autoal embed {words}")
    check_finished(file.parent)
    array = open_array(file)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise AutoALError(f"{file} holds {array.dtype} {array.shape}, not floating (N, F)")
    if len(array) != len(train):
        raise AutoALError(f"{file} has {len(array)} rows, but {name} has {len(train)} training samples")
    _check_origin(file.with_name(CARD), train, name)
    source = ArraySource(array)
    for rows in chunks(len(source), _CHUNK):
        check_finite(source.fetch(rows), str(file), first_row=int(rows[0]))
    return StaticFeatures(source)


def _check_origin(card: Path, train: Split, name: str) -> None:
    """Compare the training part with the one that the features were made of, where their card says which."""
    if not card.is_file():
        return
    try:
        made: Any = json.loads(card.read_text(encoding="utf-8"))
        own = made["splits"]["train"]["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AutoALError(f"cannot read {card}: {error}") from error
    if own != split_digest(train):
        raise AutoALError(f"{card.parent} was made of other data than dataset={name}: embed it again")
