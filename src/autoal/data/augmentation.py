"""What an augmentation is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Augmentation(ABC):
    """A random change of training images, one per sample; named in ``dataset.augment`` by its ``_target_``."""

    @abstractmethod
    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return changed images.

        Args:
            x: Images in 0..1, ``(B, C, H, W)``.
            key: Seed of this augmentation's stream.
            ids: Sample ids, int64, ``(B,)``; the draw of a sample depends on the key and its id alone.
        """
