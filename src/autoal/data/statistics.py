"""Mean and standard deviation of training inputs."""

from __future__ import annotations

import torch

from autoal.data.base import SampleSource

MAX_SAMPLES = 10_000


def channel_statistics(
    source: SampleSource, max_samples: int = MAX_SAMPLES
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Compute mean and standard deviation of each channel of images.

    They are of pixels in 0..1, over samples spread evenly over the source, so they are the same on every
    rank and in every run.

    Args:
        source: Images, ``uint8``, ``(N, C, H, W)``.
        max_samples: Number of samples that are enough.

    Returns:
        Mean and standard deviation, C numbers each, rounded to 4 digits. A constant channel gets 1.
    """
    n = min(len(source), max_samples)
    rows = torch.linspace(0, len(source) - 1, n, dtype=torch.float64).round().to(torch.int64)
    total: torch.Tensor | float = 0.0
    squares: torch.Tensor | float = 0.0
    pixels = 0
    for start in range(0, n, 256):
        x = source.fetch(rows[start : start + 256]).to(torch.float64) / 255.0
        total = total + x.sum(dim=(0, 2, 3))
        squares = squares + (x * x).sum(dim=(0, 2, 3))
        pixels += x.shape[0] * x.shape[2] * x.shape[3]
    mean = torch.as_tensor(total) / pixels
    std = (torch.as_tensor(squares) / pixels - mean**2).clamp(min=0).sqrt()
    std = torch.where(std < 1e-4, torch.ones_like(std), std)
    return tuple(round(float(m), 4) for m in mean), tuple(round(float(s), 4) for s in std)
