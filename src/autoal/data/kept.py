"""Data sets that are read once for all runs of a process."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoal.data.base import Dataset, Split
from autoal.data.build import build_dataset, plain
from autoal.data.fingerprint import split_digest
from autoal.data.loading import load_splits


class KeptData:
    """Keeps the data set that was read last, so that the next run with the same config need not read it.

    Every run gets parts of its own whose inputs and labels are shared: a run may replace them (it moves inputs to
    its device), and none may change them in place, which no part of the package does. Files that change while they
    are kept are not read again.
    """

    def __init__(self) -> None:
        self._key = ""
        self._dataset: Dataset | None = None
        self._splits: dict[str, Split] = {}

    def take(self, config: Mapping[str, Any], root: Path) -> tuple[Dataset, dict[str, Split]]:
        """Return a data set and its parts, read if another one was taken before.

        Args:
            config: A resolved ``dataset`` config.
            root: The data directory.

        Raises:
            AutoALError: If the data are not there or not as they should be.
        """
        key = json.dumps([plain(config), str(root.absolute())], sort_keys=True)
        if self._dataset is None or key != self._key:
            dataset = build_dataset(config)
            self._dataset, self._splits = None, {}  # two large sets need not fit at once
            splits = load_splits(dataset, root)
            for split in splits.values():
                split_digest(split)
            self._key, self._dataset, self._splits = key, dataset, splits
        return copy.copy(self._dataset), {name: replace(split) for name, split in self._splits.items()}
