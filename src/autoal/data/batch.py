"""The batch that reaches the network."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Samples of one step on one rank.

    Attributes:
        inputs: Shape ``(B, *input_shape)``; raw when it leaves the loader, augmented and normalised when it
            reaches the network.
        targets: Int64, ``(B,)``.
        ids: Sample ids, int64, ``(B,)``.
        weights: Weight of each sample's loss, ``(B,)``. They make the mean over ranks of the weighted sums
            the mean over the global batch, also when ranks hold different numbers of samples.
        epoch_key: Seed of this epoch's augmentation and dropout streams.
    """

    inputs: Tensor
    targets: Tensor
    ids: Tensor
    weights: Tensor
    epoch_key: int
