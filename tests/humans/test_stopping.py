"""When to stop: by hand, and against other definitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from autoal.humans.stopping import Trend, advice, kappa, trend
from autoal.rundir.predictions import Predictions


def run_of(*rows: list[int], targets: list[int]) -> Predictions:
    found = Predictions.none()
    for i, row in enumerate(rows):
        found = found.with_round(i, np.array(row), np.array(targets), 0.5)
    return found


def test_a_trend_needs_four_rounds_and_pairs_the_samples() -> None:
    targets = [0, 1, 0, 1] * 25
    wrong = [1 - t for t in targets]
    first = wrong[:20] + targets[20:]
    last = targets[:15] + wrong[15:20] + targets[20:96] + wrong[96:]
    three = [first, first, first]
    assert trend(run_of(*three, targets=targets)) is None
    found = trend(run_of([0] * 100, *three, last, targets=targets))
    assert found is not None
    assert found.gain == pytest.approx(0.11)  # 15 became right, 4 wrong
    changes = np.array([1.0] * 15 + [-1.0] * 4 + [0.0] * 81)
    assert found.high - found.gain == pytest.approx(1.959964 * changes.std() / 10)
    assert found.low == pytest.approx(2 * found.gain - found.high)
    assert found.stability == pytest.approx(cohen_kappa_score(first, last))


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    b[:120] = a[:120]
    assert kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))
    assert kappa(a * 0, a * 0) == 1.0


@pytest.mark.parametrize(
    ("found", "begins"),
    [
        (None, "too early"),
        (Trend(0.05, 0.01, 0.09, 0.995), "go on"),
        (Trend(0.00, -0.01, 0.01, 0.995), "you may stop"),
        (Trend(0.00, -0.01, 0.01, 0.8), "no clear gain yet"),
    ],
)
def test_what_is_advised(found: Trend | None, begins: str) -> None:
    assert advice(found).startswith(begins)
