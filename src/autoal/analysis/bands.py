"""Mean curves over seeds, and the bands around them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autoal.analysis.curves import FloatArray
from autoal.analysis.stats import t_quantile

__all__ = ["BANDS", "Band", "band"]

BANDS = {
    "sd": "standard deviation over seeds",
    "se": "standard error of the mean",
    "ci": "interval of the mean (Student's t)",
}
"""Name of a band -> what it shows on both sides of a mean curve."""


@dataclass(frozen=True)
class Band:
    """A mean curve with its spread over seeds.

    Attributes:
        sizes: Labelled-set sizes, shape ``(G,)``.
        mean: Mean over seeds.
        half: Half width of the t interval, NaN where fewer than 2 seeds have that size.
        n: Seeds at each size.
        sd: Standard deviation over seeds (ddof = 1), NaN where fewer than 2 seeds have that size.
    """

    sizes: FloatArray
    mean: FloatArray
    half: FloatArray
    n: FloatArray
    sd: FloatArray

    def spread(self, band: str) -> FloatArray:
        """Return half the width of a band, shape ``(G,)``; NaN where fewer than 2 seeds have a size.

        Args:
            band: A name of :data:`BANDS`.
        """
        return {"sd": self.sd, "se": self.sd / np.sqrt(self.n), "ci": self.half}[band]


def band(sizes: FloatArray, values: FloatArray, alpha: float = 0.05) -> Band:
    """Mean, t interval and standard deviation over seeds at every size.

    Args:
        sizes: Labelled-set sizes, shape ``(G,)``.
        values: Shape ``(n_seeds, G)``, NaN where a seed has no such size.
        alpha: Error level.

    Returns:
        The band over the sizes that at least one seed has.
    """
    known = np.isfinite(values)
    n = known.sum(axis=0)
    keep = n > 0
    values, known, n = values[:, keep], known[:, keep], n[keep]
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / n
    variance = np.where(known, (filled - mean) ** 2, 0.0).sum(axis=0) / np.maximum(n - 1, 1)
    quantile = np.array([t_quantile(int(k), alpha) for k in n])
    sd = np.where(n > 1, np.sqrt(variance), math.nan)
    return Band(sizes[keep], mean, quantile * np.sqrt(variance / n), n.astype(np.float64), sd)
