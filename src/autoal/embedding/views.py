"""Augmented views of the training images, to be embedded beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from autoal.config.instantiate import create
from autoal.data.augmentation import Augmentation
from autoal.data.base import DatasetInfo, SampleSource
from autoal.data.transforms import InputTransform, check_augmentations
from autoal.data.views import KINDS, part_of
from autoal.rng import stream_seed

RAND_AUGMENT: Mapping[str, Any] = {
    "_target_": "autoal.data.rand_augment.RandAugment",
    "n": 3,
    "cutout": 0.5,
    "geometric": False,
}
"""What strong views have beside the weak ones' changes where nothing else is said."""


class AugmentedSource:
    """Several views of each image: row ``v * N + i`` is view v of sample i.

    A view follows from the key and its row alone, whatever is fetched with it.

    Args:
        source: N raw ``uint8`` images.
        info: The data set.
        augmentations: What changes them.
        number: Views of each.
        key: A stream's seed.
    """

    def __init__(
        self,
        source: SampleSource,
        info: DatasetInfo,
        augmentations: Sequence[Augmentation],
        number: int,
        key: int,
    ) -> None:
        self._source, self._number, self._key = source, number, key
        self._transform = InputTransform(replace(info, mean=(), std=()), augmentations)

    def __len__(self) -> int:
        return self._number * len(self._source)

    def fetch(self, rows: Tensor) -> Tensor:
        """Return the changed images as ``uint8``, ``(B, C, H, W)``."""
        raw = self._source.fetch(rows % len(self._source)).cpu()
        x = self._transform.train(raw, self._key, rows)
        return (x * 255).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class ViewPlan:
    """Which views are made; what ``features.json`` says of them.

    Attributes:
        number: Views of each kind and training sample.
        seed: Of the draws.
        weak: Augmentations of the weak views, as in ``dataset.augment``; none: there are no such views, the
            sample is one.
        strong: Those of the strong views.
    """

    number: int
    seed: int
    weak: Sequence[Mapping[str, Any]]
    strong: Sequence[Mapping[str, Any]]

    @classmethod
    def of(
        cls,
        number: int,
        seed: int,
        augment: Sequence[Mapping[str, Any]],
        weak: Sequence[Mapping[str, Any]] | None = None,
        strong: Sequence[Mapping[str, Any]] | None = None,
    ) -> ViewPlan:
        """Complete a plan as training on pixels does.

        Args:
            number: Views of each kind.
            seed: Of the draws.
            augment: ``dataset.augment``.
            weak: ``training.weak``; None: ``augment``.
            strong: ``training.strong``; None: ``augment`` and :data:`RAND_AUGMENT`.
        """
        return cls(
            number,
            seed,
            list(augment if weak is None else weak),
            [*augment, RAND_AUGMENT] if strong is None else list(strong),
        )

    def describe(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return asdict(self)

    def sources(self, train: SampleSource, info: DatasetInfo) -> dict[str, AugmentedSource]:
        """Return the views by the name of their part.

        Args:
            train: The training images.
            info: The data set, loaded.

        Raises:
            AutoALError: If an augmentation is not valid, or not for images.
        """
        found = {}
        for kind in KINDS:
            configs = getattr(self, kind)
            made = [create(f"training.{kind}[{i}]", config, Augmentation) for i, config in enumerate(configs)]
            check_augmentations(f"training.{kind}", info, made)
            if made:
                key = stream_seed(self.seed, "cached views", kind)
                found[part_of(kind)] = AugmentedSource(train, info, made, self.number, key)
        return found


def view_shapes(plan: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Return the shapes of the view files ``(V, N, F)`` that a plan of a folder has, by the name of their part.

    Args:
        plan: See :class:`autoal.embedding.store.FeatureStore`.
    """
    views = plan.get("views")
    if views is None:
        return {}
    shape = (views["number"], plan["splits"]["train"]["rows"], plan["dimension"])
    return {part_of(kind): shape for kind in KINDS if views[kind]}
