"""What an augmentation is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor


class Augmentation(ABC):
    """A random change of training samples, one per sample; named in ``dataset.augment`` by its ``_target_``."""

    of_vectors: ClassVar[bool] = False
    """Whether it changes vectors, after they were normalised; else images, before."""

    @abstractmethod
    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return changed samples.

        Args:
            x: Images in 0..1, ``(B, C, H, W)``, or normalised vectors, ``(B, F)``.
            key: Seed of this augmentation's stream.
            ids: Sample ids, int64, ``(B,)``; the draw of a sample depends only on the key and its id.
        """
