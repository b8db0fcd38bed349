"""Statistics against scipy, and where a statistic does not exist."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from autoal.analysis.stats import (
    MIN_BOOTSTRAP,
    bootstrap_ci,
    compare,
    holm,
    mean_ci,
    paired,
    t_quantile,
    wilcoxon_p,
)


def enumerated_wilcoxon(differences: list[int]) -> float:
    """Two-sided p of the signed-rank test over all sign patterns; scipy before 1.13 approximates under ties."""
    d = np.array([x for x in differences if x])
    ranks = scipy.stats.rankdata(np.abs(d))
    sums = np.array([ranks[list(signs)].sum() for signs in itertools.product((False, True), repeat=d.size)])
    observed = ranks[d > 0].sum()
    return min(1.0, 2 * min(np.mean(sums <= observed), np.mean(sums >= observed)))


@pytest.mark.parametrize(("n", "quantile"), [(3, 4.303), (5, 2.776), (10, 2.262)])
def test_t_quantile_follows_the_number_of_seeds(n: int, quantile: float) -> None:
    assert t_quantile(n) == pytest.approx(quantile, abs=5e-4)


def test_mean_ci_matches_scipy() -> None:
    x = np.random.default_rng(0).normal(0.8, 0.05, 7)
    mean, sd, half, n = mean_ci([*x, math.nan])
    low, high = scipy.stats.t.interval(0.95, 6, loc=x.mean(), scale=scipy.stats.sem(x))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert sd == pytest.approx(x.std(ddof=1))
    assert n == 7


def test_mean_ci_of_one_and_of_no_seed() -> None:
    mean, sd, half, n = mean_ci([0.5])
    assert (mean, n) == (0.5, 1)
    assert math.isnan(sd)
    assert math.isnan(half)
    assert mean_ci([])[3] == 0


def test_missing_seeds_are_left_out_of_pairs() -> None:
    a, b = paired({0: 0.1, 1: 0.2, 2: 0.3}, {2: 0.5, 0: 0.4, 3: 0.9})
    assert a.tolist() == [0.1, 0.3]
    assert b.tolist() == [0.4, 0.5]


@pytest.mark.parametrize("n", [2, 5, 12, 30])
def test_compare_matches_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.8, 0.02, n), rng.normal(0.79, 0.02, n)
    result = compare(a, b)
    t = scipy.stats.ttest_rel(a, b)
    interval = t.confidence_interval(0.95)
    assert (result.t, result.p_t) == pytest.approx((t.statistic, t.pvalue))
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))
    assert result.p_wilcoxon == pytest.approx(scipy.stats.wilcoxon(a, b).pvalue)
    assert (result.n, result.note) == (n, "")


def test_wilcoxon_with_ties_and_zeros() -> None:
    # Differences 0, 1, 1, 2, 3 points; on paper the two ones tie, in floating point they do not.
    a = np.array([0.90, 0.91, 0.81, 0.72, 0.63])
    b = np.array([0.90, 0.90, 0.80, 0.70, 0.60])
    assert compare(a, b).p_wilcoxon == pytest.approx(enumerated_wilcoxon([0, 1, 1, 2, 3]))


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_with_random_ties_matches_enumeration(seed: int) -> None:
    points = np.random.default_rng(seed).integers(-4, 6, size=5 + seed)
    assert wilcoxon_p(points / 100) == pytest.approx(enumerated_wilcoxon(points.tolist()))


def test_wilcoxon_of_many_differences_approximates() -> None:
    d = np.random.default_rng(0).normal(0.3, 1.0, 80)
    assert wilcoxon_p(d) == pytest.approx(scipy.stats.wilcoxon(d).pvalue, abs=1e-9)
    assert wilcoxon_p(np.zeros(5)) == 1.0


def test_five_seeds_cannot_convince_wilcoxon() -> None:
    result = compare([0.9, 0.8, 0.85, 0.87, 0.83], [0.5, 0.41, 0.46, 0.44, 0.42])
    assert result.p_wilcoxon == pytest.approx(0.0625)
    assert result.p_t < 1e-4


def test_no_variance() -> None:
    same = compare([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert (same.mean, same.p_t, same.p_wilcoxon, same.note) == (0.0, 1.0, 1.0, "identical on every seed")
    # 0.9 - 0.8 and 0.4 - 0.3 differ in the last bit only: that is no variance, and no t of 1e15 either.
    shifted = compare([0.9, 0.4, 0.6], [0.8, 0.3, 0.5])
    assert shifted.t == math.inf
    assert shifted.p_t == 0.0
    assert "no variance" in shifted.note


def test_one_seed_and_no_common_seed_say_that_no_test_is_possible() -> None:
    one = compare([0.9], [0.8])
    assert one.mean == pytest.approx(0.1)
    assert math.isnan(one.p_t)
    assert "no test is possible" in one.note
    assert "no common seed" in compare([], []).note


def test_bootstrap_matches_scipy_at_the_expanded_level() -> None:
    d = np.random.default_rng(3).normal(0.01, 0.02, 25)
    ours = bootstrap_ci(d, resamples=20_000)
    level = 2 * scipy.stats.norm.cdf(math.sqrt(25 / 24) * scipy.stats.t(24).ppf(0.975)) - 1
    # random_state, not rng: the oldest scipy knows only this name, and the newest takes it too.
    theirs = scipy.stats.bootstrap(
        (d,), np.mean, method="percentile", n_resamples=20_000, random_state=0, confidence_level=level
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=5e-4)
    assert bootstrap_ci(d) == bootstrap_ci(d)


@pytest.mark.parametrize("n", [1, 2, MIN_BOOTSTRAP - 1])
def test_few_seeds_have_no_bootstrap_interval(n: int) -> None:
    d = np.random.default_rng(n).normal(0.01, 0.02, n)
    assert all(math.isnan(end) for end in bootstrap_ci(d))
    result = compare(d, np.zeros(n))
    assert math.isnan(result.boot_low)
    assert result.interval == (result.low, result.high) or n == 1


@pytest.mark.parametrize("n", [3, 5, 10, MIN_BOOTSTRAP, 40])
def test_shown_interval_covers_the_true_difference(n: int) -> None:
    draws = np.random.default_rng(n).normal(0.3, 1.0, (1000, n))
    intervals = np.array([compare(d, np.zeros(n), resamples=2000).interval for d in draws])
    covered = (intervals[:, 0] <= 0.3) & (intervals[:, 1] >= 0.3)
    # The standard error of a share of 0.95 over 1,000 draws is 0.007.
    assert float(np.mean(covered)) == pytest.approx(0.95, abs=0.021)


def test_holm_worked_example() -> None:
    # Holm (1979) by hand: 0.01 * 4, 0.015 * 3, 0.03 * 2, 0.04 raised to its predecessor.
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.015]), [0.06, 0.04, 0.06, 0.045])


def test_holm_ignores_pairs_without_test() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0
