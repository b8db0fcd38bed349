"""The penalty matrix and win/tie/loss counts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from autoal.analysis.pairwise import PenaltyMatrix, compare_setting, penalty_matrix, sum_matrices, win_tie_loss
from autoal.analysis.runs import Run
from autoal.analysis.settings import Setting


def setting(
    curves: dict[str, dict[int, list[float]]], sizes: list[float] | None = None, label: str = "s"
) -> Setting:
    """A setting from curves by strategy and seed."""
    runs: dict[str, list[Run]] = {}
    for name, by_seed in curves.items():
        for seed, acc in sorted(by_seed.items()):
            x = np.array(sizes or range(10, 10 + 10 * len(acc), 10), dtype=float)
            columns = {"n_labeled": x, "test_acc": np.array(acc)}
            area = float(np.mean(acc))
            runs.setdefault(name, []).append(Run(Path(), "d", "b", name, seed, "r", x, columns, {}, area))
    return Setting("d", "b", label, ["r"], runs)


def random_curves(names: str, seeds: int, rounds: int = 8) -> dict[str, dict[int, list[float]]]:
    rng = np.random.default_rng(5)
    return {
        name: {s: list(0.5 + 0.02 * k + rng.normal(0, 0.02, rounds)) for s in range(seeds)}
        for k, name in enumerate(names)
    }


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_matches_scipy_ttest_rel(seeds: int) -> None:
    curves = random_curves("abc", seeds)
    matrix = penalty_matrix(setting(curves))
    for i, a in enumerate("abc"):
        for j, b in enumerate("abc"):
            if i == j:
                assert math.isnan(matrix.wins[i, j])
                continue
            x, y = (np.array([curves[n][s] for s in range(seeds)])[:, 1:] for n in (a, b))
            t = scipy.stats.ttest_rel(x, y)
            expected = np.mean((t.pvalue < 0.05) & (t.statistic > 0))
            assert matrix.wins[i, j] == pytest.approx(expected)


def test_population_deviation_would_win_too_often() -> None:
    # t is 2.6: above the 2.483 to which a division by n instead of n - 1 amounts, below the right 2.776.
    d = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    d = (d - 3.0) / np.std(d, ddof=1) + 2.6 / math.sqrt(5)
    curves = {
        "a": {s: [0.5, 0.5 + 0.01 * v] for s, v in enumerate(d)},
        "b": {s: [0.5, 0.5] for s in range(5)},
    }
    assert penalty_matrix(setting(curves)).wins[0, 1] == 0.0


def test_first_round_is_left_out_and_no_variance_is_handled() -> None:
    curves: dict[str, Any] = {
        "a": {s: [0.5, 0.5, 0.9] for s in range(3)},
        "b": {s: [0.1, 0.5, 0.8] for s in range(3)},
    }
    matrix = penalty_matrix(setting(curves))
    # Round 1 ties on every seed, round 2 is the same win on every seed, round 0 does not count.
    assert matrix.wins[0, 1] == 0.5
    assert matrix.wins[1, 0] == 0.0
    assert matrix.penalty.tolist() == [0.0, 0.5]


def test_missing_seeds_are_paired_and_one_seed_is_untested() -> None:
    curves = random_curves("abc", 5)
    curves["b"] = {s: curves["b"][s] for s in (1, 2, 4)}
    curves["c"] = {0: curves["c"][0]}
    matrix = penalty_matrix(setting(curves))
    x = np.array([curves["a"][s][1:] for s in (1, 2, 4)])
    y = np.array([curves["b"][s][1:] for s in (1, 2, 4)])
    t = scipy.stats.ttest_rel(x, y)
    assert matrix.wins[1, 0] == pytest.approx(np.mean((t.pvalue < 0.05) & (t.statistic < 0)))
    assert np.isnan(matrix.wins[2]).all()
    assert math.isnan(matrix.penalty[2])
    # The untested opponent does not water down the mean.
    assert matrix.penalty[0] == matrix.wins[1, 0]


def test_sums_over_settings_count_where_a_pair_met() -> None:
    nan = math.nan
    one = PenaltyMatrix("1", ("a", "b"), np.array([[nan, 0.5], [0.0, nan]]), np.array([[0.0, 1], [1, 0]]))
    two = PenaltyMatrix("2", ("b", "c"), np.array([[nan, 1.0], [0.0, nan]]), np.array([[0.0, 1], [1, 0]]))
    total = sum_matrices("overall", [one, one, two])
    assert total.names == ("a", "b", "c")
    assert total.wins[0, 1] == 1.0
    assert total.settings[0, 1] == 2
    assert math.isnan(total.wins[0, 2])
    assert total.penalty.tolist() == [0.0, 0.5, 1.0]


def test_rows_are_corrected_within_a_metric() -> None:
    rows = [row for row in compare_setting(setting(random_curves("abcd", 6))) if row.metric == "aubc"]
    assert len(rows) == 6
    smallest = min(rows, key=lambda row: row.result.p_t)
    assert smallest.p_t_holm == pytest.approx(6 * smallest.result.p_t)


def test_win_tie_loss() -> None:
    curves = {
        "good": {s: [0.5, 0.9 + 0.001 * s] for s in range(5)},
        "bad": {s: [0.5, 0.6 + 0.002 * s] for s in range(5)},
        "same": {s: [0.5, 0.6 + 0.002 * s] for s in range(5)},
        "alone": {9: [0.5, 0.7]},
    }
    counts = win_tie_loss([r for r in compare_setting(setting(curves)) if r.metric == "aubc"])
    assert counts["good"] == {"win": 2, "tie": 0, "loss": 0, "untested": 1}
    assert counts["bad"] == {"win": 0, "tie": 1, "loss": 1, "untested": 1}
    assert counts["alone"] == {"win": 0, "tie": 0, "loss": 0, "untested": 3}
