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
        draws: What a sample's random draws are keyed by, int64, ``(B,)``: its id, or another number where it
            comes several times in an epoch; None: the ids.
    """

    inputs: Tensor
    targets: Tensor
    ids: Tensor
    weights: Tensor
    epoch_key: int
    draws: Tensor | None = None

    @property
    def keys(self) -> Tensor:
        """What each sample's random draws are keyed by, int64, ``(B,)``."""
        return self.ids if self.draws is None else self.draws
