"""What pretrained weights want their images to look like: size, crop, interpolation, mean and sd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autoal.errors import AutoALError, unknown_name

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")


@dataclass(frozen=True)
class Preprocessing:
    r"""The transform of an evaluation, batched and on the device of the images.

    Images are scaled until they cover ``resize`` (both sides at once if ``squash``), with an antialiased filter as
    Pillow's but without rounding to whole grey values; the centre of ``size`` is cut out, and

    .. math:: y = (x / 255 - \mathrm{mean}) / \mathrm{std}

    Attributes:
        size: Height and width in pixels that the network gets.
        resize: Height and width in pixels before the crop, at least ``size``.
        interpolation: One of :data:`INTERPOLATIONS`.
        squash: Whether each side is scaled on its own, to ``resize`` exactly.
        mean: Per channel, in units of 0..1.
        std: Per channel, same units.

    Example:
        >>> import torch
        >>> transform = Preprocessing().of_size(64)
        >>> transform(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([2, 3, 64, 64])
    """

    size: tuple[int, int] = (224, 224)
    resize: tuple[int, int] = (256, 256)
    interpolation: str = "bilinear"
    squash: bool = False
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            raise unknown_name("interpolation", self.interpolation, INTERPOLATIONS)
        if min(self.size) < 1 or any(r < s for r, s in zip(self.resize, self.size, strict=True)):
            raise AutoALError(f"can't cut {self.size} pixels out of {self.resize}")

    def of_size(self, pixels: int) -> Preprocessing:
        """Return the same for another size: the whole shorter side is kept, only what is beyond the square is cut.

        Args:
            pixels: Height and width.
        """
        if pixels < 1:
            raise AutoALError(f"size={pixels} is no number of pixels")
        return replace(self, size=(pixels, pixels), resize=(pixels, pixels))

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            "size": list(self.size),
            "resize": list(self.resize),
            "interpolation": self.interpolation,
            "fit": "squash" if self.squash else "crop",
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def __call__(self, raw: Tensor) -> Tensor:
        """Prepare raw images.

        Args:
            raw: ``uint8``, ``(B, 1, H, W)`` or ``(B, 3, H, W)``; grey ones are repeated over the channels.

        Returns:
            Float32, ``(B, 3, *size)``.

        Raises:
            AutoALError: If they are no such images.
        """
        if raw.ndim != 4 or raw.shape[1] not in (1, 3) or raw.dtype != torch.uint8:
            raise AutoALError(
                f"pretrained image models take uint8 images of 1 or 3 channels, not {raw.dtype} samples of shape "
                f"{tuple(raw.shape[1:])}"
            )
        x = self._crop(self._scale(raw.to(torch.float32)))
        mean = torch.tensor(self.mean, device=x.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=x.device).view(1, -1, 1, 1)
        return (x / 255.0 - mean) / std

    def _scale(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if self.squash:
            target = self.resize
        else:
            # The side that is short of its goal decides; the other one follows, rounded down as torchvision does.
            rows, columns = self.resize
            if rows * width >= columns * height:
                target = (rows, rows * width // height)
            else:
                target = (columns * height // width, columns)
        if target == (height, width):
            return x
        if self.interpolation == "nearest":
            return F.interpolate(x, size=target, mode="nearest")
        y = F.interpolate(x, size=target, mode=self.interpolation, align_corners=False, antialias=True)
        # The bicubic filter overshoots at edges.
        return y.clamp(0.0, 255.0)

    def _crop(self, x: Tensor) -> Tensor:
        rows, columns = self.size
        top, left = round((x.shape[2] - rows) / 2.0), round((x.shape[3] - columns) / 2.0)
        return x[:, :, top : top + rows, left : left + columns]


def from_timm(config: Mapping[str, Any]) -> Preprocessing:
    """Translate what ``timm.data.resolve_data_config`` returns.

    Filters that tensors have no antialiased version of (lanczos, box, hamming) become bicubic.

    Args:
        config: ``input_size`` ``(C, H, W)``, ``interpolation``, ``crop_pct``, ``crop_mode``, ``mean``, ``std``.
    """
    _, height, width = config["input_size"]
    share = min(float(config["crop_pct"]), 1.0)
    named = str(config["interpolation"])
    return Preprocessing(
        size=(int(height), int(width)),
        resize=(int(height / share), int(width / share)),
        interpolation=named if named in INTERPOLATIONS else "bicubic",
        squash=config.get("crop_mode") == "squash",
        mean=tuple(float(v) for v in config["mean"]),
        std=tuple(float(v) for v in config["std"]),
    )


def from_torchvision(weights: Any) -> Preprocessing:
    """Translate the transform that comes with a set of torchvision's weights.

    Args:
        weights: A member of a ``torchvision.models.WeightsEnum``.
    """
    preset = weights.transforms()
    (crop,), (resize,) = preset.crop_size, preset.resize_size
    named = preset.interpolation.value
    return Preprocessing(
        size=(crop, crop),
        resize=(max(resize, crop), max(resize, crop)),
        interpolation=named if named in INTERPOLATIONS else "bicubic",
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )
