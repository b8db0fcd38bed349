"""Ranks over data sets: Friedman's test and Nemenyi's critical difference (Demsar, JMLR 7, 2006)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from autoal.analysis.curves import FloatArray

__all__ = ["RankTest", "cliques", "nemenyi_cd", "rank_rows", "rank_test"]


@dataclass(frozen=True)
class RankTest:
    """Friedman's test over blocks (data sets) and what Nemenyi's test makes of it.

    Attributes:
        names: Strategies.
        blocks: Names of the blocks.
        mean_ranks: Mean rank of each strategy, 1 is best.
        chi2: Friedman's statistic, corrected for ties.
        p: Its p value by the chi-squared distribution.
        f: Iman and Davenport's F, less conservative for few blocks.
        p_f: Its p value.
        cd: Critical difference of mean ranks.
        groups: Sets of strategies (as indices) that do not differ by more than ``cd``.
        note: Why there is no test; empty otherwise.
    """

    names: tuple[str, ...]
    blocks: tuple[str, ...]
    mean_ranks: tuple[float, ...] = ()
    chi2: float = math.nan
    p: float = math.nan
    f: float = math.nan
    p_f: float = math.nan
    cd: float = math.nan
    groups: tuple[tuple[int, ...], ...] = ()
    note: str = ""


def rank_rows(values: ArrayLike) -> FloatArray:
    """Rank each row, 1 for the largest value; ties share the mean of their ranks.

    Args:
        values: Shape ``(blocks, strategies)``; rounding differences count as ties.

    Returns:
        Ranks of the same shape.
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(-np.round(np.asarray(values, dtype=np.float64), 12), axis=1), dtype=np.float64)


def nemenyi_cd(k: int, n: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks.

    Args:
        k: Number of strategies.
        n: Number of blocks.
        alpha: Error level over all pairs.

    Returns:
        The difference of mean ranks above which two strategies differ.
    """
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1.0 - alpha, k, np.inf)) / math.sqrt(2.0)
    return q * math.sqrt(k * (k + 1) / (6.0 * n))


def rank_test(values: ArrayLike, names: Sequence[str], blocks: Sequence[str], alpha: float = 0.05) -> RankTest:
    """Compare strategies over data sets.

    Args:
        values: Score of each strategy on each block, larger is better, shape ``(blocks, strategies)``, no NaN.
        names: Strategies.
        blocks: Names of the blocks.
        alpha: Error level.

    Returns:
        The test. With fewer than 2 blocks or 3 strategies there is none, and ``note`` says so.
    """
    from scipy.stats import chi2 as chi2_distribution
    from scipy.stats import f as f_distribution

    x = np.asarray(values, dtype=np.float64)
    n, k = len(blocks), len(names)
    if x.shape != (n, k):
        raise ValueError(f"expected values of shape {(n, k)}, got {x.shape}")
    ranks = rank_rows(x) if n and k else np.zeros((n, k))
    means = tuple(float(r) for r in ranks.mean(axis=0)) if n else ()
    if n < 2 or k < 3:
        note = f"needs at least 2 data sets and 3 strategies that ran on all of them; there are {n} and {k}"
        return RankTest(tuple(names), tuple(blocks), means, note=note)
    centred = np.asarray(means) - (k + 1) / 2.0
    chi2 = 12.0 * n / (k * (k + 1)) * float(np.sum(centred**2))
    # Tied ranks vary less; without the correction the statistic would be too small.
    tied = sum(float(np.sum(c**3 - c)) for c in (np.unique(row, return_counts=True)[1] for row in ranks))
    correction = 1.0 - tied / (n * (k**3 - k))
    if correction <= 0.0:
        return RankTest(tuple(names), tuple(blocks), means, note="all strategies tie on every data set")
    chi2 /= correction
    room = n * (k - 1) - chi2
    f = (n - 1) * chi2 / room if room > 1e-9 else math.inf
    cd = nemenyi_cd(k, n, alpha)
    return RankTest(
        names=tuple(names),
        blocks=tuple(blocks),
        mean_ranks=means,
        chi2=chi2,
        p=float(chi2_distribution.sf(chi2, k - 1)),
        f=f,
        p_f=float(f_distribution.sf(f, k - 1, (k - 1) * (n - 1))) if math.isfinite(f) else 0.0,
        cd=cd,
        groups=cliques(means, cd),
    )


def cliques(mean_ranks: Sequence[float], cd: float) -> tuple[tuple[int, ...], ...]:
    """Find the maximal groups of strategies whose mean ranks lie within the critical difference.

    Args:
        mean_ranks: Mean rank of each strategy.
        cd: Critical difference.

    Returns:
        Groups of at least two indices, best rank first; a group inside another one is left out.
    """
    order = sorted(range(len(mean_ranks)), key=lambda i: mean_ranks[i])
    groups: list[tuple[int, ...]] = []
    last_end = -1
    for start in range(len(order)):
        end = start
        while end + 1 < len(order) and mean_ranks[order[end + 1]] - mean_ranks[order[start]] <= cd:
            end += 1
        if end > start and end > last_end:
            groups.append(tuple(order[start : end + 1]))
            last_end = end
    return tuple(groups)
