"""Submodular information functions against greedy algorithms with every similarity written out."""

import numpy as np
import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import flcg, flqmi
from autoal.kernels.lazy import lazy_greedy


def data(rows=70, other=9, dim=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (torch.randn(n, dim, generator=g, dtype=torch.float64) for n in (rows, other))


def similarity(x, y):
    x, y = (v.numpy() / np.linalg.norm(v.numpy(), axis=1, keepdims=True) for v in (x, y))
    return (1 + x @ y.T) / 2


def greedy(value, rows, n):
    batch, gains = [], []
    before = value([])
    for _ in range(n):
        values = [value([*batch, i]) if i not in batch else -1 for i in range(rows)]
        batch.append(int(np.argmax(values)))
        gains.append(max(values) - before)
        before = max(values)
    return batch, gains


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_mutual_information(eta):
    for seed in range(3):
        x, query = data(seed=seed)
        s = similarity(query, x)

        def value(batch, s=s):
            return s[:, batch].max(1).sum() + eta * s[:, batch].max(0).sum() if batch else 0.0

        picks = flqmi(x, query, 6, eta)
        want, gains = greedy(value, len(x), 6)
        assert picks.index.tolist() == want
        np.testing.assert_allclose(picks.score, gains, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("nu", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_conditional_gain(nu, dtype):
    for seed in range(3):
        x, known = (v.to(dtype) for v in data(seed=seed))
        s, floor = similarity(x.double(), x.double()), nu * similarity(x.double(), known.double()).max(1)

        def value(batch, s=s, floor=floor):
            return np.maximum(s[:, batch].max(1) - floor, 0).sum() if batch else 0.0

        picks = flcg(x, 8, known, nu)
        want, gains = greedy(value, len(x), 8)
        assert picks.index.tolist() == want
        np.testing.assert_allclose(picks.score, gains, rtol=1e-5, atol=1e-7)


def test_without_a_private_set_it_is_facility_location():
    x, _ = data()
    s = similarity(x, x)
    want, _ = greedy(lambda b: s[:, b].max(1).sum() if b else 0.0, len(x), 7)
    assert flcg(x, 7).index.tolist() == want


def test_lazy_evaluation_saves_most_gains():
    x, query = data(3000, 20)
    picks = flqmi(x, query, 30, eta=0.0)
    assert picks.log["evaluations"] < 0.2 * 30 * 3000


def test_repeated_rows_and_nothing_left():
    x = torch.ones(12, 3)
    picks = flcg(x, 12)
    assert picks.index.tolist() == list(range(12))
    assert picks.log["filled"] == 11
    assert flcg(x, 5, known=x[:1]).index.tolist() == [0, 1, 2, 3, 4]
    assert flqmi(x, x[:2], 4, eta=0.0).index.tolist() == [0, 1, 2, 3]


def test_lazy_greedy_is_greedy_with_bounds_that_are_loose():
    g = torch.Generator().manual_seed(0)
    value = torch.rand(500, generator=g, dtype=torch.float64)
    result = lazy_greedy(value * 3, 40, lambda rows: value[rows], lambda row: None)
    assert result.index.tolist() == torch.sort(value, descending=True, stable=True).indices[:40].tolist()


def test_errors():
    x, query = data()
    with pytest.raises(AutoALError, match="eta=-1"):
        flqmi(x, query, 2, -1.0)
    with pytest.raises(AutoALError, match="nu=-1"):
        flcg(x, 2, query, -1.0)
    with pytest.raises(AutoALError, match="query"):
        flqmi(x, query[:0], 2)
