"""The area under the budget curve and labels to reach an accuracy."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from autoal.analysis.curves import as_floats, aubc, budget_thirds, label_savings, labels_to_reach


@given(
    st.floats(0, 1),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=30, unique=True),
)
def test_constant_curve_has_that_constant_as_aubc(constant: float, sizes: list[int]) -> None:
    assert aubc(sorted(sizes), [constant] * len(sizes)) == constant


def test_short_last_batch_does_not_lower_the_area() -> None:
    # 1000 labels in batches of 128: seven whole batches and one of 104.
    sizes = [1000, *range(1128, 2000, 128), 2000]
    assert aubc(sizes, [0.5] * len(sizes)) == 0.5


def test_aubc_is_the_trapezoid_divided_by_the_range() -> None:
    assert aubc([100, 200, 400], [0.2, 0.4, 0.8]) == pytest.approx((30 + 120) / 300)
    x = np.cumsum(np.random.default_rng(0).integers(1, 50, 20))
    y = np.random.default_rng(1).random(20)
    assert aubc(x, y) == pytest.approx(trapezoid(y, x) / (x[-1] - x[0]))


def test_published_deepal_curve() -> None:
    acc = [0.4336, 0.4542, 0.7959, 0.7217, 0.6389, 0.9062, 0.9228, 0.9063, 0.7796, 0.9297, 0.932]
    # The toolkit printed 0.841, 0.704 and 0.776 for the three repeats of which this curve is the mean.
    assert aubc(range(100, 1200, 100), acc) == pytest.approx((0.841 + 0.704 + 0.776) / 3, abs=5e-4)


def test_one_point_and_unmeasured_points() -> None:
    assert aubc([10], [0.7]) == 0.7
    assert math.isnan(aubc([10, 20], [0.7, math.nan]))


@pytest.mark.parametrize(("sizes", "acc"), [([], []), ([1, 2], [0.1]), ([2, 1], [0.1, 0.2]), ([1, 1], [0.1, 0.2])])
def test_no_curve_is_refused(sizes: list[int], acc: list[float]) -> None:
    with pytest.raises(ValueError, match=r"curve needs|must increase"):
        aubc(sizes, acc)


def test_labels_to_reach_interpolates_and_says_never() -> None:
    assert labels_to_reach([10, 20, 30], [0.2, 0.4, 0.3], 0.3) == pytest.approx(15)
    assert labels_to_reach([10, 20], [0.5, 0.6], 0.4) == 10
    assert math.isnan(labels_to_reach([10, 20], [0.2, 0.4], 0.5))
    assert label_savings([10, 20], [0.2, 0.4], 0.4, 40) == pytest.approx(0.5)


def test_empty_csv_fields_are_unmeasured() -> None:
    np.testing.assert_array_equal(as_floats(["0.5", "", None, 1]), [0.5, math.nan, math.nan, 1.0])


def test_import_needs_neither_torch_nor_pandas() -> None:
    code = "import autoal.analysis.curves, autoal.analysis.plots, sys; print(sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("'torch'", "'pandas'", "'scipy'", "'matplotlib'"):
        assert heavy not in modules


def test_thirds_of_the_published_21_points() -> None:
    acc = np.random.default_rng(0).random(21)
    assert budget_thirds(acc) == pytest.approx((acc[:7].mean(), acc[7:14].mean(), acc[14:].mean()))
    assert np.mean(budget_thirds(acc)) == pytest.approx(acc.mean())
    assert budget_thirds([0.1, 0.2, 0.3, 0.4]) == pytest.approx((0.15, 0.3, 0.4))
    assert all(math.isnan(v) for v in budget_thirds([0.1, 0.2]))
