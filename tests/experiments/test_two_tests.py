"""The same purchases on two test sets: what is fitted, what is measured, and how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from autoal.analysis.curves import aubc
from autoal.rundir.ledger import Ledger
from autoal.rundir.names import LEDGER
from experiments import tables
from experiments.foundation_study import two_tests

BOUGHT = (3, 7, 9, 11, 20, 22, 5, 130, 150, 260, 270, 299, 100, 119, 140, 239, 240, 280)
"""Three rounds of six labels: one class, all three, all three."""


def buy(ledger: Ledger, number: int, ids: Sequence[int]) -> None:
    ledger.append(number, ids, [0] * len(ids), "margin", [None] * len(ids), "query" if number else "init")


@pytest.fixture
def data(tmp_path: Path) -> two_tests.Data:
    """Three noisy classes in the plane; the test set holds the third class four times as often as the pool."""
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1, 2], [120, 120, 60])
    test_y = np.repeat([0, 1, 2], [10, 10, 80])
    middles = 5 + np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.5]])
    x, test_x = (middles[own] + rng.normal(size=(len(own), 2)) for own in (y, test_y))
    path = tmp_path / "features.npz"
    np.savez(path, train_features=x, train_labels=y, test_features=test_x, test_labels=test_y)
    return two_tests.Data.load(path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "seed=0"
    folder.mkdir()
    ledger = Ledger(folder / LEDGER)
    for number in range(3):
        buy(ledger, number, BOUGHT[6 * number : 6 * number + 6])
    return folder


def test_columns_are_standardised_by_the_pool(data: two_tests.Data) -> None:
    np.testing.assert_allclose(data.x.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(data.x.std(0), 1, atol=1e-12)
    assert data.test_x.mean(0)[1] > 0.5, "the test set lies elsewhere and stays there"


def test_weights_give_the_pool_the_classes_of_the_test_set(data: two_tests.Data) -> None:
    shares = np.bincount(data.y, weights=data.weights) / data.weights.sum()
    np.testing.assert_allclose(shares, [0.1, 0.1, 0.8])


def test_the_rest_is_what_nobody_bought(data: two_tests.Data, run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    ledger = Ledger(other / LEDGER)
    buy(ledger, 0, (3,))
    buy(ledger, 1, (4,))
    assert two_tests.rest_of(data, [run, other]).tolist() == [i for i in range(300) if i not in {*BOUGHT, 4}]


def test_each_round_is_measured_on_the_test_set_and_on_what_is_left(data: two_tests.Data, run: Path) -> None:
    left = np.array([1, 2, 15, 44, 60, 90, *range(160, 235), *range(241, 260), *range(281, 299)])
    sizes, test, pool, weighted = [6, 12, 18], [], [], []
    for size in sizes:
        ids = list(BOUGHT[:size])
        if size == 6:
            own, other = np.zeros(len(left)), np.zeros(len(data.test_y))
        else:
            head = LogisticRegression(C=100 / size, tol=1e-8).fit(data.x[ids], data.y[ids])
            own, other = head.predict(data.x[left]), head.predict(data.test_x)
        test.append(float(np.mean(other == data.test_y)))
        pool.append(float(np.mean(own == data.y[left])))
        weight = np.array([[0.25, 0.25, 4.0][data.y[i]] for i in left])
        weighted.append(float(((own == data.y[left]) * weight).sum() / weight.sum()))
    found = two_tests.measure(data, run, left)
    for place, curve in zip(two_tests.PLACES, (test, pool, weighted), strict=True):
        assert found[place] == pytest.approx(aubc(sizes, curve), abs=0.01), place


def test_the_table_pairs_seeds(tmp_path: Path) -> None:
    (tmp_path / "results" / "two_tests").mkdir(parents=True)
    lines = ["strategy,seed,test,pool,pool_weighted", "a,0,0.50,0.60,0.6", "a,1,0.52,0.64,0.6"]
    lines += ["b,1,0.53,0.61,0.6", "b,0,0.51,0.57,0.6"]
    (tmp_path / "results" / "two_tests" / "tiny.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table = two_tests.two_tests(tmp_path, "tiny", "a")
    assert "AUBC difference, 2 seeds" in table
    row = table.splitlines()[2]
    assert row.startswith("| a − b | -1.00 [-1.00, -1.00] | +3.00 [+3.00, +3.00] |")
    assert tables.MARKERS.search(f"<!-- table: two_tests tiny a -->\n{table}\n<!-- end -->")


def test_without_results_it_says_so(tmp_path: Path) -> None:
    assert two_tests.two_tests(tmp_path, "tiny", "a") == "No results yet."
