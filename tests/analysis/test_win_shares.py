"""Win shares: pairs by seed, ties shared, one-sided sign tests with Holm's correction."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from autoal.analysis.charts_compare import share_chart
from autoal.analysis.results import analyse, analyse_overall
from autoal.analysis.stats import holm
from autoal.analysis.win_shares import sign_test, win_share_table, win_shares, win_shares_over
from tests.analysis.test_pairwise import random_curves, setting


def test_the_two_shares_of_a_pair_add_up_to_one_and_ties_are_shared() -> None:
    curves = {"a": {0: [0.1, 0.5, 0.6, 0.7], 1: [0.1, 0.5, 0.6, 0.7]}, "b": {0: [0.1, 0.5, 0.5, 0.8]}}
    curves["b"][1] = [0.1, 0.5, 0.6, 0.7]
    shares = win_shares(setting(curves))
    # Seed 0: a tie, a win, a loss; seed 1: ties alone. The initial set is not counted.
    assert shares.share[0, 1] == shares.share[1, 0] == 0.5
    assert math.isnan(shares.share[0, 0])
    always = win_shares(setting({"a": {0: [0.1, 0.5], 1: [0.1, 0.5]}, "b": {0: [0.1, 0.4], 1: [0.1, 0.4]}}))
    assert always.share[0, 1] == 1.0
    assert always.share[1, 0] == 0.0


@pytest.mark.parametrize("seeds", [1, 4, 10])
def test_matches_a_count_by_hand_and_scipy(seeds: int) -> None:
    curves = random_curves("abc", seeds)
    shares = win_shares(setting(curves))
    family = []
    for i, a in enumerate("abc"):
        for j, b in enumerate("abc"):
            if i == j:
                family.append(math.nan)
                continue
            wins = [[x > y for x, y in zip(curves[a][s][1:], curves[b][s][1:], strict=True)] for s in range(seeds)]
            assert shares.share[i, j] == pytest.approx(np.mean(wins))
            ahead = sum(np.mean(w) > 0.5 for w in wins)
            peer = scipy.stats.binomtest(ahead, sum(np.mean(w) != 0.5 for w in wins) or 1, alternative="greater")
            assert shares.p[i, j] == pytest.approx(peer.pvalue)
            family.append(peer.pvalue)
    assert shares.comparisons == 6
    np.testing.assert_allclose(shares.p_holm.ravel(), holm(family))


def test_the_sign_test_without_a_decided_unit_says_nothing() -> None:
    assert sign_test([0.5, 0.5]) == 1.0
    assert sign_test([1.0] * 10) == 2**-10
    assert sign_test([0.0] * 10) == 1.0


def test_unpaired_seeds_are_not_compared() -> None:
    shares = win_shares(setting({"a": {0: [0.1, 0.5]}, "b": {1: [0.1, 0.4]}}))
    assert math.isnan(shares.share[0, 1])
    assert shares.comparisons == 0


def test_over_settings_each_counts_once_whatever_its_seeds() -> None:
    many = win_shares(setting(random_curves("ab", 10)))
    few = win_shares(setting({"a": {0: [0.1, 0.9]}, "b": {0: [0.1, 0.2]}, "c": {0: [0.1, 0.5]}}))
    both = win_shares_over([many, few])
    assert both.names == ("a", "b", "c")
    assert both.share[0, 1] == pytest.approx((many.share[0, 1] + 1.0) / 2)
    assert both.units[0, 1] == 2
    assert both.units[1, 2] == 1


def test_the_table_names_whom_a_strategy_beats() -> None:
    curves = {"a": {key: [0.1, 0.5, 0.6] for key in range(8)}, "b": {key: [0.1, 0.4, 0.5] for key in range(8)}}
    table = win_share_table(win_shares(setting(curves)))
    assert [row[-1] for row in table.rows] == ["b", "none"]
    assert [row[-2] for row in table.rows] == [1.0, 0.0]


def test_a_data_set_with_two_settings_counts_once() -> None:
    rows = {"one": {"a": 0.9, "b": 0.1}, "two": {"a": 0.1, "b": 0.9}}
    made = {n: setting({k: {0: [0.1, v]} for k, v in row.items()}) for n, row in rows.items()}
    results = [
        analyse(replace(made[n], dataset=d), resamples=0) for n, d in (("one", "x"), ("two", "x"), ("one", "y"))
    ]
    shares = analyse_overall(results).shares
    assert shares.share[0, 1] == pytest.approx((0.5 + 1.0) / 2)
    assert shares.units[0, 1] == 2
    chart = share_chart(shares)
    assert chart["data"][0]["x"] == ["a", "b", "mean"]
    assert chart["data"][0]["z"][0] == [None, 0.75, 0.75]
