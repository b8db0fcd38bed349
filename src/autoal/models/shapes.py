"""Checks on input shapes that several backbones share."""

from __future__ import annotations

from collections.abc import Sequence

from autoal.errors import AutoALError


def image_shape(input_shape: Sequence[int], backbone: str, min_size: int = 8) -> tuple[int, int, int]:
    """Return ``(C, H, W)`` or explain why this backbone can't take the dataset's samples.

    Args:
        input_shape: Shape of one sample.
        backbone: Name of the backbone, for the message.
        min_size: Smallest height and width the backbone can take.

    Raises:
        AutoALError: If the samples are not images, or too small.
    """
    shape = tuple(int(n) for n in input_shape)
    if len(shape) != 3:
        raise AutoALError(
            f"backbone {backbone} takes images (C, H, W), but the dataset's samples have shape {shape}; "
            "use backbone=mlp or backbone=linear"
        )
    channels, height, width = shape
    if min(height, width) < min_size:
        raise AutoALError(
            f"backbone {backbone} takes images from {min_size}x{min_size}, the dataset's are {height}x{width}"
        )
    return channels, height, width
