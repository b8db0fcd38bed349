"""From raw batches to network inputs: augmentation, scaling and normalisation, batched, on the device."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from autoal.data.augmentation import Augmentation
from autoal.data.base import DatasetInfo
from autoal.data.lattice import LatticeAugmentation, apply_moves
from autoal.errors import AutoALError
from autoal.rng import stream_seed


def check_augmentations(key: str, info: DatasetInfo, augmentations: Sequence[Augmentation]) -> None:
    """Refuse augmentations of another kind of samples.

    Args:
        key: Their place in the config, for the message.
        info: The data set; an unknown shape passes.
        augmentations: The augmentations.

    Raises:
        AutoALError: If one is for images and the samples are vectors, or the reverse.
    """
    for augment in augmentations:
        if info.input_shape and augment.of_vectors != (len(info.input_shape) == 1):
            kind, name = "vectors" if augment.of_vectors else "images", type(augment).__name__
            raise AutoALError(
                f"{key}: {name} is for {kind}, but the samples of {info.name} have shape {info.input_shape}; "
                f"set {key}=[]"
            )


class InputTransform:
    """Scale, augment (training only) and normalise a raw batch.

    Augmentations that move whole pixels run on the raw ``uint8`` images where they come first; neighbours
    among them are merged into one gather.

    Args:
        info: Gives mean and standard deviation.
        augmentations: Applied in order, in training only.

    Raises:
        AutoALError: If an augmentation is for images and the samples are vectors, or the reverse.
    """

    def __init__(self, info: DatasetInfo, augmentations: Sequence[Augmentation] = ()) -> None:
        check_augmentations("dataset.augment", info, augmentations)
        self._shape = (-1, *([1] * (len(info.input_shape) - 1)))
        self._mean = torch.tensor(info.mean) if info.mean else None
        self._std = torch.tensor(info.std) if info.std else None
        numbered = list(enumerate(augmentations))
        self._after = [(i, augment) for i, augment in numbered if augment.of_vectors]
        self._groups = [
            (lattice, list(members))
            for lattice, members in itertools.groupby(
                [pair for pair in numbered if not pair[1].of_vectors],
                lambda pair: isinstance(pair[1], LatticeAugmentation),
            )
        ]
        self._affine: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def eval(self, raw: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Scale and normalise: the transform of the pool pass and of every evaluation."""
        return self._finish(raw).to(dtype)

    def train(self, raw: Tensor, key: int, ids: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Scale, augment with draws that depend on ``key`` and each sample's id, and normalise."""
        x = raw
        for lattice, members in self._groups:
            # A key of its own for each place in the list, so two equal augmentations draw independently.
            keyed = [(augment, stream_seed(key, "augment", i)) for i, augment in members]
            if lattice:
                height, width = x.shape[2:]
                x = apply_moves(
                    x,
                    [a.move(k, ids, height, width) for a, k in keyed if isinstance(a, LatticeAugmentation)],
                )
                continue
            x = self._scale(x)
            for augment, k in keyed:
                x = augment(x, k, ids)
        x = self._finish(x)
        for i, augment in self._after:
            x = augment(x, stream_seed(key, "augment", i), ids)
        return x.to(dtype)

    @staticmethod
    def _scale(raw: Tensor) -> Tensor:
        return raw.to(torch.float32) / 255.0 if raw.dtype == torch.uint8 else raw.to(torch.float32)

    def _finish(self, x: Tensor) -> Tensor:
        """Scale if still ``uint8``, and normalise."""
        if self._mean is None or self._std is None:
            return self._scale(x)
        factor, offset = self._constants(x.device)
        y = x.to(torch.float32, copy=True)
        if x.dtype == torch.uint8:
            # Scaling and normalising in one multiply and one add: (x / 255 - mean) / std.
            return y.mul_(factor / 255.0).add_(offset)
        return y.mul_(factor).add_(offset)

    def _constants(self, device: torch.device) -> tuple[Tensor, Tensor]:
        assert self._mean is not None
        assert self._std is not None
        if device not in self._affine:
            factor, offset = 1.0 / self._std, -self._mean / self._std
            # Kept per device: a copy from the host for every batch would stall the GPU's queue.
            self._affine[device] = factor.to(device).view(self._shape), offset.to(device).view(self._shape)
        return self._affine[device]
