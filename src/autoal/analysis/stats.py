"""Statistics on paired runs: intervals, paired tests, Holm's correction, the bootstrap.

Every function takes plain arrays, one value per seed, and answers NaN with a reason where a statistic does not
exist, instead of a number that looks like a result.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from autoal.analysis.curves import FloatArray

__all__ = [
    "MIN_BOOTSTRAP",
    "MIN_TEST",
    "Comparison",
    "bootstrap_ci",
    "compare",
    "holm",
    "mean_ci",
    "paired",
    "t_quantile",
    "wilcoxon_p",
]

K = TypeVar("K", bound=Hashable)

# Accuracies are fractions; differences below this come from rounding, not from the runs.
_ROUNDING = 1e-12
# Above this scipy, too, uses the normal approximation of Wilcoxon's statistic.
_EXACT = 50

MIN_TEST = 5
"""Fewest seeds from which a table says that two strategies do not differ: fewer can hardly find a difference."""

MIN_BOOTSTRAP = 20
"""Fewest values of a bootstrap interval: fewer cannot show how far a mean may be from theirs."""


def t_quantile(n: int, alpha: float = 0.05) -> float:
    """Two-sided quantile of Student's t for ``n`` values.

    Args:
        n: Number of values (seeds), at least 2; the degrees of freedom are ``n - 1``.
        alpha: Error level; 0.05 gives the 97.5 % quantile.

    Returns:
        E.g. 2.776 for 5 seeds, 4.303 for 3; NaN for fewer than 2.
    """
    if n < 2:
        return math.nan
    from scipy.stats import t

    return float(t.ppf(1.0 - alpha / 2.0, n - 1))


def mean_ci(values: ArrayLike, alpha: float = 0.05) -> tuple[float, float, float, int]:
    """Mean, standard deviation and half width of the t confidence interval.

    Args:
        values: One value per seed; NaN are left out.
        alpha: Error level of the interval.

    Returns:
        Mean, standard deviation (ddof=1), half width and number of values; the spread is NaN for fewer than 2.
    """
    x = np.asarray(values, dtype=np.float64)
    x = x[np.isfinite(x)]
    if x.size == 0:
        return math.nan, math.nan, math.nan, 0
    if x.size == 1:
        return float(x[0]), math.nan, math.nan, 1
    sd = float(np.std(x, ddof=1))
    return float(np.mean(x)), sd, t_quantile(x.size, alpha) * sd / math.sqrt(x.size), int(x.size)


def paired(a: Mapping[K, float], b: Mapping[K, float]) -> tuple[FloatArray, FloatArray]:
    """Join two strategies on the seeds that both have.

    Args:
        a: Seed to value.
        b: Seed to value.

    Returns:
        Two arrays in the same order of seeds; seeds with a value that is not finite are left out.
    """
    keys = [key for key in a if key in b and math.isfinite(a[key]) and math.isfinite(b[key])]
    return np.array([a[key] for key in keys], dtype=float), np.array([b[key] for key in keys], dtype=float)


@dataclass(frozen=True)
class Comparison:
    """Two strategies compared on common seeds; differences are first minus second.

    Attributes:
        n: Number of common seeds.
        mean: Mean difference.
        sd: Standard deviation of the differences, ddof=1.
        low: Lower end of the t interval of the mean difference.
        high: Upper end.
        t: Student's t; infinite where every difference is the same number other than zero.
        p_t: Two-sided p of the paired t-test.
        p_wilcoxon: Two-sided p of Wilcoxon's signed-rank test.
        boot_low: Lower end of the bootstrap interval of the mean difference; NaN below ``MIN_BOOTSTRAP`` seeds.
        boot_high: Upper end.
        note: Why a number is missing or special; empty otherwise.
    """

    n: int
    mean: float = math.nan
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan
    t: float = math.nan
    p_t: float = math.nan
    p_wilcoxon: float = math.nan
    boot_low: float = math.nan
    boot_high: float = math.nan
    note: str = ""

    @property
    def interval(self) -> tuple[float, float]:
        """The interval to show: the bootstrap's where there is one, else Student's t."""
        if math.isfinite(self.boot_low):
            return self.boot_low, self.boot_high
        return self.low, self.high


def compare(a: ArrayLike, b: ArrayLike, alpha: float = 0.05, resamples: int = 10_000) -> Comparison:
    """Compare two strategies seed by seed.

    Differences without variance have no t distribution. All zero is "no difference" (p = 1); all equal but not
    zero is the limit of ever smaller noise (t infinite, p = 0) and says so in ``note``.

    Args:
        a: First strategy, one value per seed.
        b: Second strategy, same seeds in the same order.
        alpha: Error level of the intervals.
        resamples: Bootstrap resamples; 0 leaves the bootstrap out.

    Returns:
        The comparison; with fewer than 2 seeds only ``n``, ``mean`` and a note.
    """
    d = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    n = int(d.size)
    if n == 0:
        return Comparison(0, note="no common seed: no test is possible")
    if n == 1:
        return Comparison(1, mean=float(d[0]), note="one common seed: no test is possible")
    d = np.where(np.abs(d) < _ROUNDING, 0.0, d)
    mean, sd = float(np.mean(d)), float(np.std(d, ddof=1))
    boot = bootstrap_ci(d, alpha, resamples) if resamples else (math.nan, math.nan)
    if np.ptp(d) < _ROUNDING:
        if mean == 0.0:
            return Comparison(n, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, *boot, note="identical on every seed")
        return Comparison(
            n, mean, 0.0, mean, mean, math.copysign(math.inf, mean), 0.0, wilcoxon_p(d), *boot,
            note="the same difference on every seed: no variance",
        )  # fmt: skip
    from scipy.stats import t as student

    half = t_quantile(n, alpha) * sd / math.sqrt(n)
    t = mean / (sd / math.sqrt(n))
    return Comparison(
        n, mean, sd, mean - half, mean + half, t, float(2.0 * student.sf(abs(t), n - 1)), wilcoxon_p(d), *boot
    )


def wilcoxon_p(differences: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; zeros are dropped, ties share the mean of their ranks.

    Up to 50 differences the distribution is exact, with ties too: the number of sign patterns for every rank sum
    is counted by adding one difference after the other, which costs microseconds where enumerating the patterns
    costs a tenth of a second. Beyond 50 scipy's normal approximation answers.

    Args:
        differences: Paired differences.

    Returns:
        The p value; 1 if every difference is zero.
    """
    from scipy.stats import rankdata, wilcoxon

    # Rounding makes ties of differences that are equal on paper, e.g. 0.91 - 0.90 and 0.81 - 0.80.
    d = np.round(np.asarray(differences, dtype=np.float64), 12)
    d = d[d != 0.0]
    if d.size == 0:
        return 1.0
    if d.size > _EXACT:
        return float(wilcoxon(d).pvalue)
    # Twice the ranks, so that the shared ranks of ties are whole numbers too.
    ranks = np.rint(2.0 * rankdata(np.abs(d))).astype(np.intp)
    counts = np.zeros(int(ranks.sum()) + 1)
    counts[0] = 1.0
    for rank in ranks:
        counts[rank:] += counts[:-rank].copy()
    observed = int(ranks[d > 0].sum())
    tail = min(counts[: observed + 1].sum(), counts[observed:].sum())
    return float(min(1.0, 2.0 * tail / 2.0**d.size))


def bootstrap_ci(
    values: ArrayLike, alpha: float = 0.05, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    r"""Expanded percentile bootstrap interval of a mean, for :data:`MIN_BOOTSTRAP` values or more.

    The plain percentile interval is too narrow: resampled means vary by :math:`\sqrt{(n-1)/n}` of the standard
    error and know nothing of Student's tails. Its quantiles are therefore taken at the level

    .. math:: \alpha' = 2\,\Phi\Big(-\sqrt{\tfrac{n}{n-1}}\; t_{1-\alpha/2,\,n-1}\Big)

    (Hesterberg, The American Statistician 69, 2015). With few values nothing helps, since no resampled mean lies
    outside of the values: plain intervals at 95 % cover 0.75, 0.84 and 0.90 for 3, 5 and 10 normal values.

    Args:
        values: One value per seed.
        alpha: Error level.
        resamples: Number of resamples.
        seed: Seed of the resampling, fixed so that a report written twice is the same report.

    Returns:
        Lower and upper end; NaN for fewer than :data:`MIN_BOOTSTRAP` values.
    """
    x = np.asarray(values, dtype=np.float64)
    n = x.size
    if n < MIN_BOOTSTRAP:
        return math.nan, math.nan
    from scipy.stats import norm

    tail = float(norm.cdf(-math.sqrt(n / (n - 1)) * t_quantile(n, alpha)))
    means = _resampling_weights(n, resamples, seed) @ x
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


_weights: dict[tuple[int, int, int], FloatArray] = {}


def _resampling_weights(n: int, resamples: int, seed: int) -> FloatArray:
    """How often each value is drawn, divided by n: the same draws serve every pair, so they are kept."""
    key = (n, resamples, seed)
    if key not in _weights:
        draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=resamples)
        _weights[key] = draws / n
    return _weights[key]


def holm(p: Sequence[float]) -> FloatArray:
    """Holm's step-down correction of a family of p values.

    Args:
        p: The p values; NaN (no test was possible) stay NaN and do not count as part of the family.

    Returns:
        Adjusted p values in the order given, at most 1 and monotone in ``p``.
    """
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, math.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (order.size - rank) * float(values[index])))
        adjusted[index] = running
    return adjusted
