"""The pairwise penalty matrix of BADGE and ALFA-Mix, and win/tie/loss counts.

Cell (i, j) of a setting is the share of rounds in which strategy i beats strategy j by a paired t-test over
seeds. A data set is the sum over its settings, the whole the sum over data sets. The mean of a column is what
that strategy is penalised: lower is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autoal.analysis.curves import FloatArray
from autoal.analysis.settings import Setting
from autoal.analysis.stats import Comparison, compare, holm, paired, t_quantile

__all__ = ["PairRow", "PenaltyMatrix", "compare_setting", "penalty_matrix", "sum_matrices", "win_tie_loss"]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class PenaltyMatrix:
    """Who beats whom, how often.

    Attributes:
        label: The setting, the data set, or ``overall``.
        names: Strategies, rows and columns alike.
        wins: Shape ``(M, M)``; row beats column; NaN where the two were never tested against each other.
        settings: Shape ``(M, M)``; in how many settings the two were tested: the largest possible cell.
    """

    label: str
    names: tuple[str, ...]
    wins: FloatArray
    settings: FloatArray

    @property
    def penalty(self) -> FloatArray:
        """Mean of each column over the opponents it met, shape ``(M,)``; NaN without an opponent."""
        return _mean(self.wins, axis=0)

    @property
    def score(self) -> FloatArray:
        """Mean of each row over the opponents it met, shape ``(M,)``; NaN without an opponent."""
        return _mean(self.wins, axis=1)


def _mean(values: FloatArray, axis: int) -> FloatArray:
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), math.nan)


def penalty_matrix(setting: Setting, alpha: float = 0.05) -> PenaltyMatrix:
    """Compute the matrix of one setting.

    At each labelled-set size the seeds that both strategies have are paired; the t quantile is that of their
    number. The first size is left out: all strategies share the initial set. Differences that are all zero are
    no win; differences that are all the same other number are one.

    Args:
        setting: The setting.
        alpha: Two-sided error level of each test. As in the papers, rounds are not corrected for each other.

    Returns:
        The matrix; the diagonal is NaN.
    """
    names = setting.strategies
    wins = np.full((len(names), len(names)), math.nan)
    curves = {name: setting.on_grid(name)[:, 1:] for name in names}
    rows = {name: {run.pair_key: i for i, run in enumerate(setting.runs[name])} for name in names}
    for i, first in enumerate(names):
        for j in range(i + 1, len(names)):
            second = names[j]
            common = [key for key in rows[first] if key in rows[second]]
            d = (
                curves[first][[rows[first][key] for key in common]]
                - curves[second][[rows[second][key] for key in common]]
            )
            outcome = _outcomes(d, alpha)
            tested = outcome[np.isfinite(outcome)]
            if tested.size:
                wins[i, j] = float(np.mean(tested > 0))
                wins[j, i] = float(np.mean(tested < 0))
    return PenaltyMatrix(setting.label, tuple(names), wins, np.isfinite(wins).astype(np.float64))


def _outcomes(differences: FloatArray, alpha: float) -> FloatArray:
    """Per column 1 (significantly above 0), -1 (below), 0 (neither) or NaN (fewer than 2 seeds)."""
    d = np.where(np.abs(differences) < _ROUNDING, 0.0, differences)
    known = np.isfinite(d)
    count = known.sum(axis=0)
    outcome = np.full(d.shape[1], math.nan)
    for n in np.unique(count[count >= 2]):
        columns = count == n
        x = np.where(known[:, columns], d[:, columns], 0.0)
        mean = x.sum(axis=0) / n
        sd = np.sqrt(np.where(known[:, columns], (x - mean) ** 2, 0.0).sum(axis=0) / (n - 1))
        # Without variance any mean other than zero is beyond every quantile.
        beyond = np.abs(mean) > t_quantile(int(n), alpha) * np.where(sd < _ROUNDING, 0.0, sd) / math.sqrt(n)
        outcome[columns] = np.where(beyond, np.sign(mean), 0.0)
    return outcome


def sum_matrices(label: str, matrices: Sequence[PenaltyMatrix]) -> PenaltyMatrix:
    """Add matrices: settings to a data set, data sets to the whole.

    Args:
        label: Name of the sum.
        matrices: The parts; strategies may differ between them.

    Returns:
        The sum over the parts in which a pair was tested; ``settings`` says over how many.
    """
    names = tuple(sorted({name for m in matrices for name in m.names}, key=lambda n: (n.casefold(), n)))
    wins = np.zeros((len(names), len(names)))
    settings = np.zeros((len(names), len(names)))
    for matrix in matrices:
        where = np.array([names.index(name) for name in matrix.names], dtype=np.intp)
        cells = np.ix_(where, where)
        wins[cells] += np.where(np.isfinite(matrix.wins), matrix.wins, 0.0)
        settings[cells] += matrix.settings
    return PenaltyMatrix(label, names, np.where(settings > 0, wins, math.nan), settings)


@dataclass(frozen=True)
class PairRow:
    """One pair of strategies in one setting and one metric.

    Attributes:
        setting: Label of the setting.
        metric: ``aubc`` or ``final_acc``.
        first: Strategy.
        second: Strategy.
        result: The comparison, first minus second.
        p_t_holm: p of the t-test, corrected over all pairs of this setting and metric.
        p_wilcoxon_holm: The same of Wilcoxon's test.
    """

    setting: str
    metric: str
    first: str
    second: str
    result: Comparison
    p_t_holm: float
    p_wilcoxon_holm: float

    def verdict(self, alpha: float = 0.05) -> str:
        """Say what the corrected t-test says of the first strategy.

        Args:
            alpha: Error level.

        Returns:
            ``win``, ``loss``, ``tie`` (no significant difference) or ``untested``.
        """
        if not math.isfinite(self.p_t_holm):
            return "untested"
        if self.p_t_holm >= alpha:
            return "tie"
        return "win" if self.result.mean > 0 else "loss"


def compare_setting(setting: Setting, alpha: float = 0.05, resamples: int = 10_000) -> list[PairRow]:
    """Compare every pair of strategies of a setting by AUBC and by final accuracy.

    Args:
        setting: The setting.
        alpha: Error level of the intervals.
        resamples: Bootstrap resamples.

    Returns:
        One row per metric and pair, p values corrected by Holm within the metric.
    """
    rows = []
    names = setting.strategies
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    for metric in ("aubc", "final_acc"):
        values: Mapping[str, dict[tuple[str, int], float]] = {
            name: {run.pair_key: getattr(run, metric) for run in setting.runs[name]} for name in names
        }
        results = [compare(*paired(values[a], values[b]), alpha, resamples) for a, b in pairs]
        p_t = holm([r.p_t for r in results])
        p_w = holm([r.p_wilcoxon for r in results])
        rows += [
            PairRow(setting.label, metric, a, b, result, float(pt), float(pw))
            for (a, b), result, pt, pw in zip(pairs, results, p_t, p_w, strict=True)
        ]
    return rows


def win_tie_loss(rows: Sequence[PairRow], alpha: float = 0.05) -> dict[str, dict[str, int]]:
    """Count what each strategy won, tied and lost against all others.

    Args:
        rows: Rows of one metric, from any number of settings.
        alpha: Error level.

    Returns:
        Strategy to counts of ``win``, ``tie``, ``loss`` and ``untested``.
    """
    mirrored = {"win": "loss", "loss": "win"}
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        verdict = row.verdict(alpha)
        for name, outcome in ((row.first, verdict), (row.second, mirrored.get(verdict, verdict))):
            own = counts.setdefault(name, {"win": 0, "tie": 0, "loss": 0, "untested": 0})
            own[outcome] += 1
    return counts
