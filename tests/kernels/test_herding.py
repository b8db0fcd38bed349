"""Herding picks what the plain greedy algorithm in float64 picks, whatever shortcut it takes."""

import itertools
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoal.errors import AutoALError
from autoal.kernels import herding, margin, top_n
from autoal.kernels.coverage import Coverage
from autoal.kernels.rows import Rows
from autoal.kernels.similarity import KERNELS, rounding, similarity

from .coverage_oracles import kernel_matrix, plain_herding, unit


def clusters(rows, dim, groups=12, seed=0, dtype=torch.float64, spread=0.7):
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(groups, dim, generator=g, dtype=torch.float64)
    which = torch.randint(groups, (rows,), generator=g)
    return (centres[which] + spread * torch.randn(rows, dim, generator=g, dtype=torch.float64)).to(dtype)


def assert_plain(picks, x, n, **options):
    want, gains = plain_herding(x, n, **options)
    assert picks.index.tolist() == want
    np.testing.assert_allclose(picks.score.numpy(), gains, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("with_labelled", [False, True])
@pytest.mark.parametrize("with_weights", [False, True])
def test_identical_to_the_plain_algorithm(kernel, with_labelled, with_weights):
    x = clusters(500, 12)
    labelled = clusters(30, 12, seed=1) if with_labelled else None
    weights = torch.rand(500, generator=torch.Generator().manual_seed(2)) if with_weights else None
    picks = herding(x, 120, labelled, weights, 0.8, kernel)
    assert_plain(picks, x, 120, labelled=labelled, weights=weights, kernel=kernel, h=0.8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bandwidth", [0.1, 1.0, 20.0])
def test_identical_in_narrow_storage(dtype, bandwidth):
    # Decisions fall in float64, so that a product in float32 can't change a pick.
    x, labelled = clusters(700, 24, dtype=dtype), clusters(9, 24, seed=1, dtype=dtype)
    picks = herding(x, 150, labelled, bandwidth=bandwidth)
    assert_plain(picks, x.double(), 150, labelled=labelled.double(), h=bandwidth)


def test_raw_features():
    x = 3 * clusters(300, 6, dtype=torch.float32) + 2
    picks = herding(x, 60, bandwidth=2.5, normalise=False)
    assert_plain(picks, x.double(), 60, h=2.5, normalise=False)


@pytest.mark.parametrize("kernel", KERNELS)
def test_three_copies_of_everything(kernel):
    x = clusters(90, 5, dtype=torch.float32)
    x = torch.cat([x, x, x])[torch.randperm(270, generator=torch.Generator().manual_seed(0))]
    picks = herding(x, 200, bandwidth=0.5, kernel=kernel)
    want, _ = plain_herding(x.double(), 200, kernel=kernel, h=0.5)
    assert picks.index.tolist() == want
    if kernel != "top_hat":
        assert torch.unique(x[picks.index[:90]], dim=0).shape[0] == 90
        assert picks.score[90:].eq(0).all()
        assert picks.log["filled"] == 110


def test_one_hot_rows_tie_and_the_lowest_wins():
    picks = herding(torch.eye(300), 200)
    assert picks.index.tolist() == list(range(200))


def test_grid_distances_that_equal_the_radius_are_outside():
    # d < h is strict, and no rounding may put one of many equal distances inside.
    x = torch.tensor(list(itertools.product(range(7), range(7))), dtype=torch.float64) / 10
    picks = herding(x, 49, bandwidth=0.1, kernel="top_hat", normalise=False)
    assert picks.score[:49].eq(1).all()
    assert picks.index.tolist() == list(range(49))


def test_weights_of_zero_are_no_targets():
    x = clusters(200, 6)
    weights = (torch.arange(200) < 50).float()
    assert_plain(herding(x, 30, weights=weights), x, 30, weights=weights)
    picks = herding(x, 10, weights=torch.zeros(200))
    assert picks.log["filled"] == 10
    assert picks.index.tolist() == list(range(10))


def test_a_share_of_the_targets():
    x = clusters(400, 8)
    g = torch.Generator().manual_seed(4)
    places = torch.randperm(400, generator=g)[:80].sort().values
    picks = herding(x, 40, targets=80, generator=torch.Generator().manual_seed(4))
    assert_plain(picks, x, 40, targets=places.numpy())
    assert picks.log["targets"] == 80
    # Hoeffding for 400 means of numbers in [0, 1] at once
    assert picks.log["target_error"] == pytest.approx(np.sqrt(np.log(2 * 400 / 0.05) / 160))
    assert herding(x, 5, targets=400).index.tolist() == herding(x, 5).index.tolist()


def test_uncertainty_herding_has_its_two_limits():
    x = clusters(300, 8, dtype=torch.float32)
    u = margin(torch.randn(300, 4, generator=torch.Generator().manual_seed(1)))
    u = u - u.min() + 0.01
    equal = herding(x, 80, weights=torch.full((300,), 0.37))
    assert equal.index.tolist() == herding(x, 80).index.tolist()
    tiny = herding(x, 80, weights=u, bandwidth=1e-4)
    assert tiny.index.tolist() == top_n(u, 80).tolist()


def test_far_fewer_evaluations_than_the_plain_algorithm():
    x = clusters(2000, 16, groups=100, dtype=torch.float32)
    picks = herding(x, 200)
    assert picks.log["evaluations"] < 2000 * 200 / 20
    assert 0 < picks.log["coverage"] < 1


def test_order_of_the_pool_does_not_matter():
    x = clusters(400, 8, dtype=torch.float32)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(3))
    assert order[herding(x[order], 60).index].tolist() == herding(x, 60).index.tolist()


def test_zero_vectors():
    x = clusters(100, 4)
    x[::3] = 0
    for kernel in KERNELS:
        picks = herding(x, 100, bandwidth=0.7, kernel=kernel)
        want, _ = plain_herding(x, 100, kernel=kernel, h=0.7)
        assert picks.index.tolist() == want, kernel


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", [0.05, 0.5, 3.0, 30.0])
def test_bounds_in_float32_are_bounds(kernel, bandwidth):
    x = clusters(300, 64, dtype=torch.float32)
    z = unit(x)
    exact = kernel_matrix(kernel, z, z, bandwidth)
    y = torch.nn.functional.normalize(x, dim=1)
    k, one = similarity(kernel, bandwidth), torch.ones(300)
    for sign in (1, -1):
        got = k.of(y @ y.T, one[:, None], one, sign * rounding(torch.float32)).double().numpy()
        assert (sign * (got - exact) >= -1e-6 * exact - 1e-30).all()


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True, deadline=None)
@given(st.data())
def test_gains_and_losses_agree_with_the_definition(data):
    """Gains that are kept up to date by changes are those computed anew; bounds are never below."""
    with mock.patch("autoal.kernels.coverage._READ", data.draw(st.sampled_from([1, 20, 8192]))):
        _gains_and_losses_agree(data)


def _gains_and_losses_agree(data):
    seed = data.draw(st.integers(0, 1000))
    kernel = data.draw(st.sampled_from(sorted(KERNELS)))
    dtype = data.draw(st.sampled_from([torch.float32, torch.float64]))
    x = clusters(60, 3, groups=4, seed=seed, dtype=dtype)
    if data.draw(st.booleans()):
        x = x[torch.randint(60, (60,), generator=torch.Generator().manual_seed(seed))]
    rows = Rows(x, 60, _world(), normalise=True)
    cover = Coverage(rows, similarity(kernel, 0.6), torch.ones(60, dtype=torch.float64), None, 60)
    every = torch.arange(60)
    value, since = cover.gains(every, exact=True), torch.zeros(60, dtype=torch.int64)
    z = unit(x)
    similar, centres = kernel_matrix(kernel, z, z, 0.6), []
    for pick in data.draw(st.lists(st.integers(0, 59), min_size=1, max_size=12)):
        cover.add(pick)
        centres.append(pick)
        covered = similar[:, centres].max(1)
        want = np.maximum(similar - covered[:, None], 0).sum(0)
        got, bound = cover.gains(every, exact=True), cover.gains(every, exact=False)
        np.testing.assert_allclose(got, want, atol=1e-9)
        assert (bound.numpy() >= want - 1e-9).all()
        some = torch.isfinite(cover.effort(since)) & (torch.arange(60) % 3 == pick % 3)
        if some.any():
            value[some] -= cover.losses(every[some], since[some], exact=True)
            since[some] = cover.picks
            np.testing.assert_allclose(value[some], want[some.numpy()], atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kernel", sorted(KERNELS))
@pytest.mark.parametrize("columns", [7, 64, 1024])
def test_the_first_gains_are_those_of_every_candidate(kernel, columns, dtype, monkeypatch):
    """A kernel value that serves both of its rows gives no other bounds: never below, and near, with any tiles."""
    monkeypatch.setattr("autoal.kernels.coverage._COLUMNS", columns)
    monkeypatch.setattr("autoal.kernels.checks._BLOCK_BYTES", 8192)
    x = clusters(150, 5, seed=columns, dtype=dtype)
    x[90:] = x[torch.randint(90, (60,), generator=torch.Generator().manual_seed(1))]
    weights = torch.rand(150, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    cover = Coverage(Rows(x, 150, _world(), normalise=True), similarity(kernel, 0.6), weights, None, 150)
    cover.start(x[[3, 40]] + 0.1)
    want, got = cover.gains(torch.arange(150), exact=True), cover.first_gains()
    assert (got >= want - 1e-12).all()
    np.testing.assert_allclose(got, cover.gains(torch.arange(150), exact=False), rtol=1e-4, atol=1e-4)


def _world():
    from autoal.distributed import World

    return World()


@pytest.mark.parametrize("size", ["blocks", "firsts", "parts"])
def test_sizes_of_blocks_change_nothing(size, monkeypatch):
    import importlib

    x = clusters(300, 8, dtype=torch.float32)
    x[100:150] = x[:50]
    want = herding(x, 100, x[:5])
    if size == "blocks":
        monkeypatch.setattr("autoal.kernels.checks._BLOCK_BYTES", 4096)
    elif size == "parts":
        monkeypatch.setattr("autoal.kernels.coverage._READ", 3)
    else:
        module = importlib.import_module("autoal.kernels.herding")
        monkeypatch.setattr(module, "_FIRST", 3)
        monkeypatch.setattr(module, "_MOST", 7)
        monkeypatch.setattr(module, "_EXACT", 1)
    assert herding(x, 100, x[:5]).index.tolist() == want.index.tolist()


def test_progress():
    calls = []
    herding(clusters(50, 3), 7, progress=lambda *c: calls.append(c))
    assert calls[0] == (0, 7)
    assert calls[-1] == (7, 7)


def test_errors():
    x = clusters(20, 3)
    with pytest.raises(AutoALError, match=r"unknown kernel 'rfb'. Did you mean 'rbf'"):
        herding(x, 2, kernel="rfb")
    with pytest.raises(AutoALError, match="bandwidth=0"):
        herding(x, 2, bandwidth=0.0)
    with pytest.raises(AutoALError, match=r"weights has shape \(3,\)"):
        herding(x, 2, weights=torch.ones(3))
    with pytest.raises(AutoALError, match="negative value -1"):
        herding(x, 2, weights=-torch.ones(20))
    with pytest.raises(AutoALError, match="targets=5 are drawn at random"):
        herding(x, 2, targets=5)
    with pytest.raises(AutoALError, match="targets=0"):
        herding(x, 2, targets=0)
    with pytest.raises(AutoALError, match=r"labelled has shape \(2, 5\)"):
        herding(x, 2, torch.zeros(2, 5))
