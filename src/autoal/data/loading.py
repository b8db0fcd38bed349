"""Loading a data set: the one rule for training and for ``autoal data`` on what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from autoal.data.base import Dataset, DatasetInfo, Split
from autoal.errors import AutoALError
from autoal.files import reason, short

NEVERTHELESS = "dataset.verify=false reads it nevertheless"


def load_splits(dataset: Dataset, root: Path) -> dict[str, Split]:
    """Verify and load a data set, and check that its parts fit together.

    Files with a published checksum must have it, and sets with a published number of samples must have as many,
    unless ``dataset.verify`` is off: half an unpacked archive and a file under another's name are no data.

    Args:
        dataset: What to load.
        root: The data directory.

    Returns:
        The parts, at least ``"train"`` and ``"test"``; none is empty and all have samples of one shape.

    Raises:
        AutoALError: If a file is missing, unreadable or not the published one, or a part does not fit.
    """
    name = dataset.info.name
    try:
        if dataset.verify:
            dataset.verify_files(root)
        splits = dataset.load(root)
        check_parts(name, splits, ("train",) if dataset.lacks_test else ("train", "test"))
    except OSError as error:
        raise AutoALError(f"dataset {name}: cannot read {short(str(error.filename))}: {reason(error)}") from error
    except MemoryError as error:
        raise AutoALError(f"dataset {name}: there is not enough memory to read it") from error
    if dataset.verify:
        check_published(dataset, splits, root)
    return splits


def check_parts(name: str, splits: dict[str, Split], needed: Sequence[str] = ("train", "test")) -> None:
    """Check that no part is empty and that samples have one shape everywhere.

    Args:
        name: The data set, for messages.
        splits: Its parts.
        needed: Parts that must be there.

    Raises:
        AutoALError: Naming the part.
    """
    for part in needed:
        if part not in splits:
            raise AutoALError(f"dataset {name} has no {part} samples")
    for part, split in splits.items():
        if len(split) == 0:
            raise AutoALError(f"dataset {name} has no {part} samples")
    first = torch.zeros(1, dtype=torch.int64)
    shape = tuple(splits["train"].source.fetch(first).shape[1:])
    for part, split in splits.items():
        found = tuple(split.source.fetch(first).shape[1:])
        if found != shape:
            raise AutoALError(f"dataset {name}: train samples have shape {shape}, {part} samples {found}")


def check_published(dataset: Dataset, splits: dict[str, Split], root: Path) -> None:
    """Check that there are as many samples as are published.

    Raises:
        AutoALError: If there are more or fewer.
    """
    info: DatasetInfo = dataset.info
    for part, published in dataset.published.items():
        together = part == "together"
        found = sum(map(len, splits.values())) if together else len(splits.get(part, ()))
        if found != published:
            kind = "samples" if together else f"{part} samples"
            raise AutoALError(
                f"dataset {info.name}: {found:,} {kind} below {root} where {published:,} are published; unpack or "
                f"fetch it again; {NEVERTHELESS}"
            )
