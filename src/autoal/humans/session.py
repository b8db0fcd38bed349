"""What a run with people holds besides any run: its desk, its items, and the oracle's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoal.data.base import Dataset
from autoal.data.datamodule import ActiveLearningDataModule
from autoal.data.filesets import ImageFileDataset, Pinned
from autoal.errors import AutoALError
from autoal.humans.answers import Desk
from autoal.humans.items import Items, new_items
from autoal.humans.settings import OracleConfig


@dataclass
class Session:
    """The part of an experiment that deals with people.

    Attributes:
        run_dir: The run directory.
        oracle: The oracle's settings.
        folder: The data set's folder.
        items: The run's items; on rank 0, once the run has begun.
    """

    run_dir: Path
    oracle: OracleConfig
    folder: Path
    items: Items | None = None

    @property
    def desk(self) -> Desk:
        """The queries and answers of the run."""
        return Desk(self.run_dir)

    @classmethod
    def prepare(cls, run_dir: Path, oracle: OracleConfig, dataset: Dataset, root: Path, resume: bool) -> Session:
        """Pin the data set's images to the rows that an earlier part of the run gave them.

        Args:
            run_dir: The run directory.
            oracle: The oracle's settings.
            dataset: The data set, not yet loaded.
            root: The data directory.
            resume: Whether an earlier part of the run stands in the directory.

        Raises:
            AutoALError: If the data are no image files, or a variant that needs every label.
        """
        if not isinstance(dataset, ImageFileDataset):
            raise AutoALError(
                f"oracle=human asks about image files: choose dataset=image_folder, without dataset.imbalance, "
                f"label_noise and classes, which need every label (this is {type(dataset).__name__})"
            )
        items = Items.read(run_dir) if resume else None
        pin(dataset, items)
        return cls(run_dir, oracle, dataset.base(root), items)

    def begin(self, data: ActiveLearningDataModule) -> list[str]:
        """Check the images that are known and pin those that have come since; on rank 0.

        Returns:
            Lines for the log.

        Raises:
            AutoALError: If an image has changed, or one that was asked for has gone.
        """
        info, split = data.dataset.info, data.split("train")
        lines = []
        if self.items is None:
            self.items = new_items(info.mean, info.std)
        else:
            needed = {asked.id for query in self.desk.queries() for asked in query.items}
            needed |= {
                name for name, target in zip(split.names, split.targets.tolist(), strict=True) if target >= 0
            }
            for name in self.items.check(self.folder, needed & set(self.items.ids)):
                lines.append(f"{self.folder / name} has gone; it is not asked for any more")
        known = len(self.items.items)
        new = self.items.extend(self.run_dir, self.folder, split.names)
        if known and new:
            lines.append(f"{new} new images below {self.folder} have joined the pool")
        return lines


def pin(dataset: Dataset, items: Items | None) -> None:
    """Have a data set of image files keep the rows and the normalisation of a run's items."""
    if items is not None and isinstance(dataset, ImageFileDataset):
        dataset.pinned = Pinned(items.ids, items.mean, items.std)


def has_people(config: Mapping[str, Any]) -> bool:
    """Whether people answer in a run of this config."""
    return OracleConfig.from_config(config.get("oracle")).people
