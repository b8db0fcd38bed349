"""Augmentations of image batches; every draw depends only on a key and the sample's id.

Each is called as ``augment(images in 0..1 (B, C, H, W), key, ids (B,))`` and configured in
``dataset.augment`` by its ``_target_``. Crop and flips are in :mod:`autoal.data.lattice` and re-exported here.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from autoal.config.values import Count, NotNegative, Range, Whole
from autoal.data.augmentation import Augmentation
from autoal.data.lattice import HorizontalFlip, RandomCrop, VerticalFlip
from autoal.rng import sample_uniform

__all__ = [
    "ColorJitter",
    "Cutout",
    "HorizontalFlip",
    "RandAugmentLite",
    "RandomCrop",
    "RandomRotation",
    "VerticalFlip",
]

Turn = Annotated[float, Range(0, 0.5)]

_GREY = (0.299, 0.587, 0.114)


class ColorJitter(Augmentation):
    """Change brightness, contrast, saturation and hue, in this order, by per-sample factors.

    Saturation and hue leave images alone that do not have three channels.

    Args:
        brightness: Factor drawn from ``[1 - b, 1 + b]``.
        contrast: Likewise, around the image's mean grey.
        saturation: Likewise, around each pixel's grey.
        hue: Turn of the hue, drawn from ``[-h, h]`` in units of a full circle, ``h <= 0.5``.
    """

    def __init__(
        self,
        brightness: NotNegative = 0.0,
        contrast: NotNegative = 0.0,
        saturation: NotNegative = 0.0,
        hue: Turn = 0.0,
    ) -> None:
        self._spans = (brightness, contrast, saturation, hue)

    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return the changed images, clamped to 0..1."""
        draws = sample_uniform(key, ids, 4) * 2 - 1
        brightness, contrast, saturation, hue = (
            (draws[:, i] * span).to(x.dtype).view(-1, 1, 1, 1) for i, span in enumerate(self._spans)
        )
        x = adjust(x, 1 + brightness, 1 + contrast, 1 + saturation)
        return turn_hue(x, hue) if self._spans[3] else x


def grey(x: Tensor) -> Tensor:
    """Return the luma of RGB images, or the mean channel of others, shape ``(B, 1, H, W)``."""
    if x.shape[1] != 3:
        return x.mean(dim=1, keepdim=True)
    return (x * x.new_tensor(_GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def adjust(x: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale brightness, then contrast, then saturation; factors ``(B, 1, 1, 1)``, 1 changes nothing."""
    x = (x * brightness).clamp(0, 1)
    mean = grey(x).mean(dim=(2, 3), keepdim=True)
    x = (mean + (x - mean) * contrast).clamp(0, 1)
    if x.shape[1] != 3:
        return x
    luma = grey(x)
    return (luma + (x - luma) * saturation).clamp(0, 1)


def turn_hue(x: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of RGB images around the grey axis at constant luma.

    A rotation of the chroma plane of the YIQ colour space: linear, so it needs no case distinctions.

    Args:
        x: Images ``(B, 3, H, W)`` in 0..1; other channel counts come back unchanged.
        turn: Share of a full circle, ``(B, 1, 1, 1)``.
    """
    if x.shape[1] != 3:
        return x
    r, g, b = x[:, 0:1], x[:, 1:2], x[:, 2:3]
    luma = grey(x)
    i = 0.595716 * r - 0.274453 * g - 0.321263 * b
    q = 0.211456 * r - 0.522591 * g + 0.311135 * b
    cos, sin = torch.cos(2 * math.pi * turn), torch.sin(2 * math.pi * turn)
    i, q = i * cos - q * sin, i * sin + q * cos
    rgb = (luma + 0.9563 * i + 0.6210 * q, luma - 0.2721 * i - 0.6474 * q, luma - 1.1070 * i + 1.7046 * q)
    return torch.cat(rgb, dim=1).clamp(0, 1)


def warp(x: Tensor, matrix: Tensor) -> Tensor:
    """Resample images with one affine map each, bilinear, zeros outside.

    Args:
        x: Images ``(B, C, H, W)``.
        matrix: Maps output to input positions in pixels from the image's centre, ``(B, 2, 3)``, order x, y.
    """
    half = x.new_tensor([x.shape[3] / 2, x.shape[2] / 2])
    # affine_grid works in units of half the image's width and height.
    linear = matrix[:, :, :2].to(x.dtype) * half[None, None, :] / half[None, :, None]
    offset = matrix[:, :, 2:].to(x.dtype) / half[None, :, None]
    grid = F.affine_grid(torch.cat([linear, offset], dim=2), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def affine(angle: Tensor, shear_x: Tensor, shear_y: Tensor, shift_x: Tensor, shift_y: Tensor) -> Tensor:
    """Build the maps of :func:`warp` from angles (radians), shears and shifts (pixels), each ``(B,)``."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    rotation = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    one = torch.ones_like(angle)
    shear = torch.stack([torch.stack([one, shear_x], 1), torch.stack([shear_y, one], 1)], 1)
    return torch.cat([rotation @ shear, torch.stack([shift_x, shift_y], 1)[:, :, None]], dim=2)


class RandomRotation(Augmentation):
    """Rotate around the centre, bilinear, zeros outside.

    Args:
        degrees: The angle is drawn from ``[-degrees, degrees]``.
    """

    def __init__(self, degrees: NotNegative = 20.0) -> None:
        self.degrees = degrees

    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return the rotated images."""
        angle = (sample_uniform(key, ids, 1)[:, 0] * 2 - 1) * math.radians(self.degrees)
        zero = torch.zeros_like(angle)
        return warp(x, affine(angle, zero, zero, zero, zero))


class Cutout(Augmentation):
    """Set a square to zero (DeVries, Taylor 2017, https://arxiv.org/abs/1708.04552).

    The square's centre is uniform over the image, so it may stick out.

    Args:
        size: Side in pixels.
    """

    def __init__(self, size: Whole = 16) -> None:
        self.size = size

    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return the images with holes."""
        height, width = x.shape[2:]
        draws = sample_uniform(key, ids, 2)
        inside = []
        for axis, length in enumerate((height, width)):
            low = (draws[:, axis : axis + 1] * length).to(torch.int64) - self.size // 2
            place = torch.arange(length, device=x.device)
            inside.append((place >= low) & (place < low + self.size))
        hole = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        return x.masked_fill(hole, 0)


class RandAugmentLite(Augmentation):
    """A batched subset of RandAugment (Cubuk et al. 2020, https://arxiv.org/abs/1909.13719).

    Each sample draws ``n`` of ten operations with equal probability: identity, brightness, contrast,
    saturation, solarise, posterise, rotation, shear, and translation in x or y. Geometry is composed into
    one warp; then come colours, in a fixed order (RandAugment applies them in the order drawn). Two draws
    of one operation add up.

    Args:
        n: Operations per sample.
        magnitude: NotNegative, 0..10.
    """

    _N_OPS = 10

    def __init__(self, n: Count = 2, magnitude: Annotated[float, Range(0, 10)] = 9.0) -> None:
        if n < 1 or not 0 <= magnitude <= 10:
            raise ValueError(f"RandAugmentLite(n={n}, magnitude={magnitude}): n from 1, magnitude in 0..10")
        self.n = n
        self.magnitude = magnitude

    def __call__(self, x: Tensor, key: int, ids: Tensor) -> Tensor:
        """Return the changed images."""
        level = self.magnitude / 10
        draws = sample_uniform(key, ids, 2 * self.n)
        op = (draws[:, : self.n] * self._N_OPS).to(torch.int64)
        sign = torch.where(draws[:, self.n :] < 0.5, -1.0, 1.0)
        # amount[:, k]: signed sum of the draws of operation k; count: how often it was drawn.
        chosen = F.one_hot(op, self._N_OPS).to(sign.dtype)
        amount = (chosen * sign[:, :, None]).sum(1) * level
        count = chosen.sum(1) * level
        _, light, contrast, colour, _, _, angle, shear, right, down = amount.unbind(1)
        zero = torch.zeros_like(angle)
        moved = warp(
            x,
            affine(
                angle * math.radians(30),
                shear * 0.3,
                zero,
                right * 0.3 * x.shape[3],
                down * 0.3 * x.shape[2],
            ),
        )
        factors = ((1 + 0.9 * a).clamp(min=0.1).to(x.dtype).view(-1, 1, 1, 1) for a in (light, contrast, colour))
        y = adjust(moved, *factors)
        threshold = (1 - count[:, 4]).to(x.dtype).view(-1, 1, 1, 1)
        y = torch.where(y > threshold, 1 - y, y)
        # From 8 bits (nothing changes) down to 4 at full strength.
        levels = 2.0 ** (8 - 4 * count[:, 5].clamp(max=1)).round().to(x.dtype).view(-1, 1, 1, 1)
        return torch.where(levels < 256, (y * levels).floor().clamp(max=levels - 1) / (levels - 1), y)
