"""Augmentations that move whole pixels: crop, flips, translation.

Each says where every output row and column comes from. Moves compose before a pixel is touched, so a crop
and a flip cost one gather on ``uint8`` data.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from autoal.config.values import Share, Whole
from autoal.data.augmentation import Augmentation
from autoal.rng import sample_uniform


class Move(NamedTuple):
    """Where the output's rows and columns come from.

    Attributes:
        rows: Source row of each output row, int64, ``(B, H)``; -1: outside the image.
        cols: Source column of each output column, int64, ``(B, W)``; -1: outside the image.
    """

    rows: Tensor
    cols: Tensor

    def then(self, after: Move) -> Move:
        """Return the move that does this one first, then ``after``."""
        return Move(_compose(self.rows, after.rows), _compose(self.cols, after.cols))


def _compose(first: Tensor, second: Tensor) -> Tensor:
    through = first.gather(1, second.clamp(min=0))
    return torch.where(second < 0, -1, through)


class LatticeAugmentation(Augmentation):
    """A random move of whole pixels, one per sample."""

    @abstractmethod
    def move(self, key: int, ids: Tensor, height: int, width: int) -> Move:
        """Draw the moves of some samples.

        Args:
            key: Seed of this augmentation's stream.
            ids: Sample ids, int64, ``(B,)``; the draw of a sample depends only on the key and its id.
            height: Image height H in pixels.
            width: Image width W in pixels.
        """

    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Move the pixels of images ``(B, C, H, W)`` of any dtype; what comes from outside is 0."""
        return apply_moves(x, [self.move(key, ids, x.shape[2], x.shape[3])])


def apply_moves(x: Tensor, moves: Sequence[Move]) -> Tensor:
    """Apply moves in their order, with one gather.

    Args:
        x: Images ``(B, C, H, W)``.
        moves: At least one.
    """
    total = moves[0]
    for move in moves[1:]:
        total = total.then(move)
    batch, channels, height, width = x.shape
    outside = height * width
    # Past any pixel where the row or the column is outside: the clamp then lands on the one zero behind
    # the last pixel. This avoids a mask over every pixel.
    rows = torch.where(total.rows < 0, outside, total.rows * width)
    cols = torch.where(total.cols < 0, outside, total.cols)
    index = (rows[:, :, None] + cols[:, None, :]).clamp_(max=outside).view(batch, 1, -1)
    pixels = torch.cat([x.flatten(2), x.new_zeros(batch, channels, 1)], dim=2)
    return pixels.gather(2, index.expand(-1, channels, -1)).view(x.shape)


def _places(n: int, ids: Tensor) -> Tensor:
    return torch.arange(n, device=ids.device).expand(len(ids), n)


class RandomCrop(LatticeAugmentation):
    """Pad with zeros and crop back at a random place: a shift of up to ``padding`` pixels each way.

    Args:
        padding: Pixels on each side.
    """

    def __init__(self, padding: Whole = 4) -> None:
        if padding < 0:
            raise ValueError(f"padding={padding} is negative")
        self.padding = padding

    def move(self, key: int, ids: Tensor, height: int, width: int) -> Move:
        """Draw a shift in rows and one in columns, uniform over ``-padding..padding``."""
        span = 2 * self.padding + 1
        shift = (sample_uniform(key, ids, 2) * span).to(torch.int64) - self.padding
        rows = _places(height, ids) + shift[:, :1]
        cols = _places(width, ids) + shift[:, 1:]
        return Move(
            torch.where((rows < 0) | (rows >= height), -1, rows),
            torch.where((cols < 0) | (cols >= width), -1, cols),
        )


class HorizontalFlip(LatticeAugmentation):
    """Mirror left and right.

    Args:
        p: Probability.
    """

    def __init__(self, p: Share = 0.5) -> None:
        self.p = p

    def move(self, key: int, ids: Tensor, height: int, width: int) -> Move:
        """Draw which samples are mirrored."""
        flip = sample_uniform(key, ids, 1) < self.p
        cols = _places(width, ids)
        return Move(_places(height, ids), torch.where(flip, width - 1 - cols, cols))


class VerticalFlip(LatticeAugmentation):
    """Mirror top and bottom.

    Args:
        p: Probability.
    """

    def __init__(self, p: Share = 0.5) -> None:
        self.p = p

    def move(self, key: int, ids: Tensor, height: int, width: int) -> Move:
        """Draw which samples are mirrored."""
        flip = sample_uniform(key, ids, 1) < self.p
        rows = _places(height, ids)
        return Move(torch.where(flip, height - 1 - rows, rows), _places(width, ids))
