"""When to stop labelling: what the last rounds have gained, and how much the predictions still change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from autoal.rundir.predictions import Predictions

WINDOW = 3
"""Rounds that are looked back on."""
STABLE = 0.99
"""Agreement of successive rounds' predictions from which on they count as stable (Bloodgood, Vijay-Shanker 2009).
"""


@dataclass(frozen=True)
class Trend:
    """What the last rounds have changed.

    Attributes:
        gain: Test accuracy now less that of :data:`WINDOW` rounds ago.
        low: Lower end of its 95 % interval.
        high: Upper end.
        stability: The least agreement of two successive rounds' predictions among them, as kappa; needs no label.
    """

    gain: float
    low: float
    high: float
    stability: float


def trend(predictions: Predictions) -> Trend | None:
    r"""Return what the last rounds of one run have changed; None before there are enough.

    Both accuracies are of the same N test samples, so the interval is that of a paired difference: with b samples
    that became right and c that became wrong,

    .. math:: d = \frac{b - c}{N}, \qquad
        d \pm 1.96 \sqrt{\frac{(b + c) / N - d^2}{N}}

    Args:
        predictions: The run's test predictions.
    """
    if len(predictions.rounds) <= WINDOW:
        return None
    last = predictions.predicted[-1 - WINDOW :]
    before, now = last[0] == predictions.targets, last[-1] == predictions.targets
    n = len(now)
    change = now.astype(float) - before.astype(float)
    gain = float(change.mean())
    half = NormalDist().inv_cdf(0.975) * math.sqrt(max(0.0, float((change**2).mean()) - gain**2) / n)
    stability = min(kappa(a, b) for a, b in pairwise(last))
    return Trend(gain, gain - half, gain + half, stability)


def kappa(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return Cohen's kappa of two rounds' predictions; 1 where both always give the same class.

    Args:
        first: Classes, ``(N,)``.
        second: Classes, ``(N,)``.

    Example:
        >>> kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
        0.5
    """
    c = int(max(first.max(), second.max())) + 1
    one, two = np.bincount(first, minlength=c) / len(first), np.bincount(second, minlength=c) / len(second)
    chance = float(one @ two)
    equal = float((first == second).mean())
    return 1.0 if chance == 1.0 else (equal - chance) / (1.0 - chance)


def advice(found: Trend | None) -> str:
    """Return in a sentence whether more labels seem worth it.

    Args:
        found: The trend; None: it is too early.
    """
    if found is None:
        return f"too early to say: it takes {WINDOW + 1} measured rounds"
    gained = (
        f"the last {WINDOW} rounds changed the test accuracy by {100 * found.gain:+.1f} points "
        f"(95% interval {100 * found.low:+.1f} to {100 * found.high:+.1f})"
    )
    if found.low > 0:
        return f"go on: {gained}"
    if found.stability >= STABLE:
        return f"you may stop: {gained}, and the predictions hardly change (kappa {found.stability:.3f})"
    return f"no clear gain yet: {gained}, but the predictions still change (kappa {found.stability:.3f})"
