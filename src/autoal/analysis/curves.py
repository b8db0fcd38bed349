"""Learning curves as numbers: the area under the budget curve and label savings.

Accuracies are fractions in 0..1 and sizes are counts of labelled samples. Only numpy is imported, so that the
training loop can use this module at every round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["aubc", "budget_thirds", "label_savings", "labels_to_reach"]

FloatArray = NDArray[np.float64]


def aubc(n_labeled: ArrayLike, acc: ArrayLike) -> float:
    """Area under the budget curve: the mean accuracy over the labelled-set sizes that were visited.

    The trapezoid over the sizes, divided by their range. Dividing by the range, and not by a nominal quota,
    makes a constant accuracy ``c`` give exactly ``c`` whatever the quota, batch or last, shorter batch.

    Args:
        n_labeled: Labelled-set sizes, strictly increasing, shape ``(R,)``.
        acc: Accuracy at each size, shape ``(R,)``.

    Returns:
        The area in the units of ``acc``; of a single point its accuracy; NaN if an accuracy is NaN.

    Raises:
        ValueError: If the two differ in length, are empty, or the sizes do not increase.

    Example:
        >>> aubc([10, 20, 50], [0.5, 0.5, 0.5])
        0.5
    """
    x, y = _checked(n_labeled, acc)
    if x.size == 1:
        return float(y[0])
    # The weights sum to exactly the range, but dot products round; a constant curve is answered exactly.
    if np.all(y == y[0]):
        return float(y[0])
    area = np.sum((x[1:] - x[:-1]) * (y[1:] + y[:-1]) * 0.5)
    return float(area / (x[-1] - x[0]))


def budget_thirds(acc: ArrayLike) -> tuple[float, float, float]:
    """Mean accuracy over the low, the middle and the high third of the budgets that were visited.

    The points are cut into three runs as equal as can be, the longer ones first; 21 points give 0-6, 7-13 and
    14-20. Each mean is over points, not over labels: the form in which results on frozen features are published.

    Args:
        acc: Accuracy after each round, shape ``(R,)``.

    Returns:
        The three means in the units of ``acc``; NaN with fewer than three points, or where an accuracy is NaN.

    Example:
        >>> budget_thirds([0.1, 0.3, 0.5, 0.5, 0.6, 0.8])
        (0.2, 0.5, 0.7)
    """
    y = np.asarray(acc, dtype=np.float64)
    if y.size < 3:
        return math.nan, math.nan, math.nan
    low, middle, high = (float(part.mean()) for part in np.array_split(y, 3))
    return low, middle, high


def labels_to_reach(n_labeled: ArrayLike, acc: ArrayLike, target: float) -> float:
    """Labels at which a curve first reaches an accuracy, interpolated linearly between rounds.

    Args:
        n_labeled: Labelled-set sizes, strictly increasing, shape ``(R,)``.
        acc: Accuracy at each size, shape ``(R,)``.
        target: The accuracy to reach.

    Returns:
        The (fractional) number of labels; NaN if the curve never reaches the target. A curve that starts
        above the target answers its first size, since nothing is known about smaller sets.
    """
    x, y = _checked(n_labeled, acc)
    reached = np.flatnonzero(y >= target)
    if reached.size == 0:
        return math.nan
    i = int(reached[0])
    if i == 0:
        return float(x[0])
    share = (target - y[i - 1]) / (y[i] - y[i - 1])
    return float(x[i - 1] + share * (x[i] - x[i - 1]))


def label_savings(n_labeled: ArrayLike, acc: ArrayLike, target: float, reference: float) -> float:
    """Share of labels saved to reach an accuracy, relative to a reference that needed ``reference`` labels.

    Args:
        n_labeled: Labelled-set sizes, strictly increasing, shape ``(R,)``.
        acc: Accuracy at each size, shape ``(R,)``.
        target: The accuracy to reach.
        reference: Labels that the reference needed for the same accuracy.

    Returns:
        ``1 - labels / reference``: 0.3 means 30 % fewer labels; NaN if the curve never reaches the target.
    """
    return 1.0 - labels_to_reach(n_labeled, acc, target) / reference


def _checked(n_labeled: ArrayLike, acc: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x = np.asarray(n_labeled, dtype=np.float64)
    y = np.asarray(acc, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"a curve needs as many sizes as accuracies, got {x.shape} and {y.shape}")
    if x.size == 0:
        raise ValueError("a curve needs at least one point")
    if not np.all(np.diff(x) > 0):
        raise ValueError("labelled-set sizes must increase strictly from round to round")
    return x, y


def as_floats(values: Sequence[object]) -> FloatArray:
    """Read a CSV column in which an empty field means "not measured".

    Args:
        values: Numbers, numeric strings, empty strings or None.

    Returns:
        The numbers, NaN where there is none.

    Raises:
        ValueError: If a field is neither empty nor a number.
    """
    return np.array([math.nan if v is None or v == "" else float(str(v)) for v in values], dtype=np.float64)
