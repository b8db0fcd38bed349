"""RandAugment with the operations of FixMatch, on batches of images on the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from autoal.config.values import Count, Range
from autoal.data.augment import affine, grey, warp
from autoal.data.augmentation import Augmentation
from autoal.rng import sample_uniform

Operation = Callable[[Tensor, Tensor], Tensor]
"""``operation(images in 0..1 (B, C, H, W), strength in 0..1 (B,)) -> images``."""


def _column(x: Tensor) -> Tensor:
    return x.view(-1, 1, 1, 1)


def _factor(strength: Tensor) -> Tensor:
    """Return the share of the image that stays, 0.05 to 0.95."""
    return _column(0.05 + 0.9 * strength)


def _signed(strength: Tensor, most: float) -> Tensor:
    return (2 * strength - 1) * most


def identity(x: Tensor, strength: Tensor) -> Tensor:
    """Change nothing."""
    return x


def autocontrast(x: Tensor, strength: Tensor) -> Tensor:
    """Stretch each channel to 0..1; a flat one stays."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).clamp(min=1e-6), x)


def brightness(x: Tensor, strength: Tensor) -> Tensor:
    """Darken."""
    return x * _factor(strength)


def colour(x: Tensor, strength: Tensor) -> Tensor:
    """Fade to grey; images without three channels stay."""
    luma = grey(x) if x.shape[1] == 3 else x
    return luma + (x - luma) * _factor(strength)


def contrast(x: Tensor, strength: Tensor) -> Tensor:
    """Fade to the mean grey."""
    mean = grey(x).mean((2, 3), keepdim=True)
    return mean + (x - mean) * _factor(strength)


def equalize(x: Tensor, strength: Tensor) -> Tensor:
    """Spread the 256 levels of each channel evenly, as PIL's ``ImageOps.equalize`` does."""
    level = (x * 255).round().clamp(0, 255).to(torch.int64).flatten(2)
    counts = torch.zeros(*level.shape[:2], 256, dtype=torch.int64, device=x.device)
    counts.scatter_add_(2, level, torch.ones_like(level))
    places = torch.arange(256, device=x.device)
    highest = torch.where(counts > 0, places, -1).amax(2, keepdim=True)
    step = (level.shape[2] - counts.gather(2, highest)) // 255
    table = (counts.cumsum(2) - counts + step // 2) // step.clamp(min=1)
    table = torch.where(step > 0, table.clamp(max=255), places)
    return (table.gather(2, level).view(x.shape) / 255).to(x.dtype)


def posterize(x: Tensor, strength: Tensor) -> Tensor:
    """Keep the 4 to 8 highest of 8 bits."""
    bits = 4 + (strength * 5).floor().clamp(max=4)
    cell = _column(2.0 ** (8 - bits)).to(x.dtype)
    return torch.floor((x * 255).round() / cell) * cell / 255


def rotate(x: Tensor, strength: Tensor) -> Tensor:
    """Turn by up to 30 degrees."""
    zero = torch.zeros_like(strength)
    return warp(x, affine(_signed(strength, math.radians(30)), zero, zero, zero, zero))


def sharpness(x: Tensor, strength: Tensor) -> Tensor:
    """Fade to a smoothed image; the outermost pixels stay."""
    if min(x.shape[2:]) < 3:
        return x
    kernel = x.new_tensor([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    smooth = x.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(x, kernel.expand(x.shape[1], 1, 3, 3), groups=x.shape[1])
    return smooth + (x - smooth) * _factor(strength)


def shear_x(x: Tensor, strength: Tensor) -> Tensor:
    """Shear along the rows by up to 0.3."""
    zero = torch.zeros_like(strength)
    return warp(x, affine(zero, _signed(strength, 0.3), zero, zero, zero))


def shear_y(x: Tensor, strength: Tensor) -> Tensor:
    """Shear along the columns by up to 0.3."""
    zero = torch.zeros_like(strength)
    return warp(x, affine(zero, zero, _signed(strength, 0.3), zero, zero))


def solarize(x: Tensor, strength: Tensor) -> Tensor:
    """Invert the pixels from a threshold of 0..1 on."""
    return torch.where(x >= _column(strength).to(x.dtype), 1 - x, x)


def translate_x(x: Tensor, strength: Tensor) -> Tensor:
    """Shift along the rows by up to 0.3 of the width."""
    zero = torch.zeros_like(strength)
    return warp(x, affine(zero, zero, zero, _signed(strength, 0.3 * x.shape[3]), zero))


def translate_y(x: Tensor, strength: Tensor) -> Tensor:
    """Shift along the columns by up to 0.3 of the height."""
    zero = torch.zeros_like(strength)
    return warp(x, affine(zero, zero, zero, zero, _signed(strength, 0.3 * x.shape[2])))


GEOMETRIC: tuple[Operation, ...] = (identity, rotate, shear_x, shear_y, translate_x, translate_y)
"""Operations that move pixels and keep their values."""

OPERATIONS: tuple[Operation, ...] = (
    *(autocontrast, brightness, colour, contrast, equalize, identity, posterize, rotate),
    *(sharpness, shear_x, shear_y, solarize, translate_x, translate_y),
)
"""FixMatch's fourteen."""


class RandAugment(Augmentation):
    """Change each image by ``n`` operations of FixMatch's list, each with a random strength, and cut out a square.

    The fourteen operations and their ranges are those of FixMatch (Sohn et al. 2020, table 12): every strength is
    drawn anew, from the whole range. They are applied in the order drawn. The square's side is drawn up to
    ``cutout`` of the shorter side, and its centre anywhere; it is filled with the image's mean, in
    the paper with grey. What comes from outside the image is black.

    Args:
        n: Operations per image.
        cutout: Largest side of the square, as a share of the shorter side; 0: none.
        geometric: Whether only the operations that move pixels are drawn.
    """

    def __init__(self, n: Count = 3, cutout: Annotated[float, Range(0, 1)] = 0.5, geometric: bool = False) -> None:
        self.n = n
        self.cutout = cutout
        self.operations = GEOMETRIC if geometric else OPERATIONS

    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return the changed images, in 0..1."""
        draws = sample_uniform(key, ids, 2 * self.n + 3)
        chosen = (draws[:, : self.n] * len(self.operations)).to(torch.int64)
        y = x.clone()
        for turn in range(self.n):
            strength = draws[:, self.n + turn]
            for number, operation in enumerate(self.operations):
                rows = (chosen[:, turn] == number).nonzero().squeeze(1)
                if len(rows) and operation is not identity:
                    y[rows] = operation(y[rows], strength[rows]).clamp(0, 1)
        return _cut(y, draws[:, 2 * self.n :], self.cutout) if self.cutout > 0 else y


def _cut(x: Tensor, draws: Tensor, most: float) -> Tensor:
    """Fill a square of each image with its mean; draws ``(B, 3)`` are of the side and of the centre."""
    height, width = x.shape[2:]
    side = draws[:, :1] * most * min(height, width)
    inside = []
    for axis, length in enumerate((height, width), start=1):
        low = draws[:, axis : axis + 1] * length - side / 2
        place = torch.arange(length, device=x.device) + 0.5
        inside.append((place >= low) & (place < low + side))
    hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return torch.where(hole, x.mean((2, 3), keepdim=True), x)
