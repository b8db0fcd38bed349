"""Win shares: how often one strategy is ahead of another on the same seed, ties shared, and what is significant.

The matrices of the field leave out ties, or divide by budgets that cannot be won, and state no test. Here each
common seed and budget has one win to give, a tie gives half of it to each, and the sum of the two is 1. The test
takes a seed (over data sets: a data set) as its unit, for budgets of one run are not independent of each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoal.analysis.curves import FloatArray
from autoal.analysis.settings import Setting
from autoal.analysis.stats import holm
from autoal.analysis.tables import Column, Table

__all__ = ["WinShares", "sign_test", "win_share_table", "win_shares", "win_shares_over"]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class WinShares:
    """Who is ahead of whom, in which share of seeds and budgets.

    Attributes:
        names: Strategies, rows and columns alike.
        share: Shape ``(M, M)`` in 0..1; row ahead of column, a tie counts half; NaN without a common unit.
        units: Shape ``(M, M)``; seeds, or data sets, that the two have in common.
        p: Shape ``(M, M)``; one-sided sign test over units that the row is ahead of the column.
        p_holm: The same, corrected over all :attr:`comparisons`.
    """

    names: tuple[str, ...]
    share: FloatArray
    units: FloatArray
    p: FloatArray
    p_holm: FloatArray

    @property
    def comparisons(self) -> int:
        """Number of tests that Holm's correction is over."""
        return int(np.isfinite(self.p).sum())


def sign_test(shares: Sequence[float]) -> float:
    r"""Return the exact one-sided p of the sign test that units are won more often than lost.

    With w of n units above one half, :math:`p = \sum_{k \ge w} \binom{n}{k} 2^{-n}`; units at exactly one half
    are left out.

    Args:
        shares: One win share in 0..1 per unit.

    Example:
        >>> sign_test([1.0, 1.0, 0.75, 0.5])
        0.125
    """
    x = np.asarray(shares, dtype=np.float64) - 0.5
    won, n = int((x > _ROUNDING).sum()), int((np.abs(x) > _ROUNDING).sum())
    return float(sum(math.comb(n, k) for k in range(won, n + 1)) / 2**n)


def win_shares(setting: Setting) -> WinShares:
    """Compute the win shares of one setting, seeds as units.

    The first size is left out: all strategies share the initial set.

    Args:
        setting: The setting.
    """
    names = setting.strategies
    curves = {name: setting.on_grid(name)[:, 1:] for name in names}
    rows = {name: {run.pair_key: i for i, run in enumerate(setting.runs[name])} for name in names}
    units: dict[tuple[int, int], list[float]] = {}
    for i, first in enumerate(names):
        for j, second in enumerate(names[i + 1 :], i + 1):
            common = [key for key in rows[first] if key in rows[second]]
            mine = curves[first][[rows[first][key] for key in common]]
            theirs = curves[second][[rows[second][key] for key in common]]
            units[i, j] = [_share(d[np.isfinite(d)]) for d in mine - theirs if np.isfinite(d).any()]
    return _matrix(tuple(names), units)


def win_shares_over(parts: Sequence[WinShares]) -> WinShares:
    """Compute the win shares over several settings, each of which counts as one unit.

    Args:
        parts: The settings; strategies may differ between them.
    """
    names = tuple(sorted({name for part in parts for name in part.names}, key=lambda n: (n.casefold(), n)))
    units: dict[tuple[int, int], list[float]] = {}
    for part in parts:
        where = [names.index(name) for name in part.names]
        for a, i in enumerate(where):
            for b, j in enumerate(where):
                if i < j and math.isfinite(part.share[a, b]):
                    units.setdefault((i, j), []).append(float(part.share[a, b]))
    return _matrix(names, units)


def _share(differences: FloatArray) -> float:
    d = np.where(np.abs(differences) < _ROUNDING, 0.0, differences)
    return float(np.mean(0.5 * (1 + np.sign(d))))


def _matrix(names: tuple[str, ...], units: dict[tuple[int, int], list[float]]) -> WinShares:
    size = (len(names), len(names))
    share, p = np.full(size, math.nan), np.full(size, math.nan)
    count = np.zeros(size)
    for (i, j), shares in units.items():
        if not shares:
            continue
        share[i, j] = float(np.mean(shares))
        share[j, i] = 1.0 - share[i, j]
        count[i, j] = count[j, i] = len(shares)
        p[i, j], p[j, i] = sign_test(shares), sign_test([1.0 - s for s in shares])
    return WinShares(names, share, count, p, holm(p.ravel().tolist()).reshape(size))


def win_share_table(shares: WinShares, alpha: float = 0.05) -> Table:
    """Return the matrix as a table: a row's shares against each column, their mean, and whom it beats.

    Args:
        shares: The matrix.
        alpha: Error level of the corrected tests.
    """
    columns = [Column("strategy", "Strategy")]
    columns += [Column(name, f"> {name}", "percent") for name in shares.names]
    beats = f"By a one-sided sign test, Holm's correction over {shares.comparisons} comparisons"
    columns += [Column("mean", "Mean", "percent"), Column("beats", "Beats", hint=beats)]
    rows = []
    for name, row, p in zip(shares.names, shares.share, shares.p_holm, strict=True):
        known = row[np.isfinite(row)]
        beaten = [other for other, value in zip(shares.names, p, strict=True) if value < alpha]
        mean = float(known.mean()) if known.size else math.nan
        rows.append([name, *row.tolist(), mean, ", ".join(beaten) or "none"])
    return Table(columns, rows)
