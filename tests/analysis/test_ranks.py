"""Friedman and Nemenyi against scipy and the worked example of Demsar (2006), table 6."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from autoal.analysis.ranks import cliques, nemenyi_cd, rank_rows, rank_test

# AUC of C4.5 with and without tuned parameters m and cf on 14 data sets.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
NAMES = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
BLOCKS = tuple(f"data set {i}" for i in range(14))


def test_demsar_mean_ranks_and_critical_difference() -> None:
    test = rank_test(DEMSAR, NAMES, BLOCKS)
    assert test.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    # 2.569 * sqrt(4 * 5 / (6 * 14)); at level 0.10 the paper has 1.12.
    assert test.cd == pytest.approx(1.25, abs=0.005)
    assert nemenyi_cd(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)


def test_demsar_statistic_without_tie_correction() -> None:
    # The paper does not correct for ties: 9.28 and F = 3.69. The correction makes both a little larger.
    test = rank_test(DEMSAR, NAMES, BLOCKS)
    centred = np.array(test.mean_ranks) - 2.5
    chi2 = 12 * 14 / 20 * np.sum(centred**2)
    assert chi2 == pytest.approx(9.28, abs=0.01)
    assert 13 * chi2 / (42 - chi2) == pytest.approx(3.69, abs=0.01)
    assert test.chi2 > chi2


def test_friedman_matches_scipy_with_ties() -> None:
    expected = scipy.stats.friedmanchisquare(*DEMSAR.T)
    test = rank_test(DEMSAR, NAMES, BLOCKS)
    assert (test.chi2, test.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_iman_davenport() -> None:
    x = np.random.default_rng(0).random((6, 4))
    test = rank_test(x, NAMES, BLOCKS[:6])
    assert test.f == pytest.approx(5 * test.chi2 / (6 * 3 - test.chi2))
    assert test.p_f == pytest.approx(scipy.stats.f.sf(test.f, 3, 15))


def test_ties_share_ranks_and_rounding_is_a_tie() -> None:
    assert rank_rows([[0.3, 0.1 + 0.2, 0.5]]).tolist() == [[2.5, 2.5, 1.0]]


def test_perfect_agreement_has_no_finite_f() -> None:
    test = rank_test([[0.9, 0.8, 0.7]] * 3, NAMES[:3], BLOCKS[:3])
    assert test.f == math.inf
    assert test.p_f == 0.0


@pytest.mark.parametrize(("n", "k"), [(1, 4), (5, 2), (0, 0)])
def test_too_little_says_so(n: int, k: int) -> None:
    test = rank_test(np.zeros((n, k)), NAMES[:k], BLOCKS[:n])
    assert "needs at least 2 data sets and 3 strategies" in test.note
    assert math.isnan(test.p)


def test_all_tied_says_so() -> None:
    assert "tie on every data set" in rank_test(np.ones((4, 3)), NAMES[:3], BLOCKS[:4]).note


def test_cliques_are_maximal() -> None:
    assert cliques([1.0, 1.5, 2.4, 4.0], 1.0) == ((0, 1), (1, 2))
    assert cliques([3.0, 1.0, 2.0], 5.0) == ((1, 2, 0),)
    assert cliques([1.0, 3.0], 1.0) == ()
