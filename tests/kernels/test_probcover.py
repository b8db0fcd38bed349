"""ProbCover covers what the definition covers, without a list of edges."""

import bisect
import importlib

import numpy as np
import pytest
import torch

from autoal.errors import AutoALError
from autoal.kernels import herding, probcover, pure_radius

from .coverage_oracles import plain_herding, squared, unit
from .test_herding import clusters


def plain_pure_radius(z, groups, purity):
    """The largest distance between two samples at which enough balls hold one cluster alone.

    A larger ball holds what a smaller one does, so the distances that are small enough come first.
    """
    d = np.sqrt(squared(z, z))
    foreign = groups[:, None] != groups[None, :]

    def too_large(radius):
        return np.mean(~((d < radius) & foreign).any(1)) < purity

    radii = np.unique(d)
    return radii[max(0, bisect.bisect_left(radii, True, key=too_large) - 1)]


@pytest.mark.parametrize("radius", [0.2, 0.6, 1.1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("with_labelled", [False, True])
def test_identical_to_the_definition(radius, dtype, with_labelled):
    x = clusters(400, 6, dtype=dtype)
    labelled = clusters(20, 6, seed=1, dtype=dtype) if with_labelled else None
    picks = probcover(x, 150, radius, labelled)
    wide = None if labelled is None else labelled.double()
    want, gains = plain_herding(x.double(), 150, labelled=wide, kernel="top_hat", h=radius)
    assert picks.index.tolist() == want
    assert picks.score.tolist() == gains.tolist()


@pytest.mark.parametrize("radius", [0.2, 0.6, 1.1])
def test_identical_in_many_blocks(radius, monkeypatch):
    """Rows of one chunk, later chunks and rows that are no targets are counted in three ways."""
    monkeypatch.setattr(importlib.import_module("autoal.kernels.probcover"), "_CHUNK", 32)
    monkeypatch.setattr("autoal.kernels.checks._BLOCK_BYTES", 2048)
    x, labelled = clusters(300, 6, dtype=torch.float32), clusters(20, 6, seed=1, dtype=torch.float32)
    x[200:250] = x[:50]
    want, gains = plain_herding(x.double(), 100, labelled=labelled.double(), kernel="top_hat", h=radius)
    picks = probcover(x, 100, radius, labelled)
    assert picks.index.tolist() == want
    assert picks.score.tolist() == gains.tolist()


def test_it_is_herding_with_the_top_hat():
    x, labelled = clusters(500, 8, dtype=torch.float32), clusters(10, 8, seed=1, dtype=torch.float32)
    ours, other = probcover(x, 200, 0.7, labelled), herding(x, 200, labelled, bandwidth=0.7, kernel="top_hat")
    assert ours.index.tolist() == other.index.tolist()
    assert ours.score.tolist() == other.score.tolist()
    assert ours.log["coverage"] > 0.5


def test_the_last_rows_have_neighbours_too():
    # The defect of published code: the rows after the last full block of the distance matrix had none.
    x = torch.zeros(1100, 3)
    x[:, 0] = 1
    x[1000:] = torch.tensor([0.0, 1.0, 0.0])
    x[:1000] += torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)) * 5
    picks = probcover(x, 1, 0.05)
    assert float((unit(x)[picks.index[0]] - unit(x)[1099]).std()) < 0.05
    assert picks.score[0] >= 100


def test_when_all_is_covered_the_rest_differs():
    # The defect of published code: without an edge left it returned row 0 again and again.
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    picks = probcover(x, 60, 1.9)
    assert sorted(picks.index.tolist()) == list(range(60))
    assert picks.log["filled"] > 50
    assert picks.log["coverage"] == 1


def test_a_sample_is_in_its_own_ball_and_equal_distances_are_outside():
    x = torch.tensor([[0.0], [3.0], [6.0]])
    assert probcover(x, 3, 3.0, normalise=False).score.tolist() == [1, 1, 1]
    assert probcover(x, 3, 3.1, normalise=False).index.tolist() == [1, 0, 2]
    tiny = probcover(torch.randn(50, 9), 50, 1e-6)
    assert tiny.score.tolist() == [1.0] * 50


@pytest.mark.parametrize("purity", [0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_purity_of_all_radii_in_one_pass(purity, dtype):
    x = clusters(120, 3, groups=4, dtype=dtype)
    groups = torch.randint(5, (120,), generator=torch.Generator().manual_seed(1))
    groups = torch.where(x[:, 0] > 0, groups, 0)
    got = pure_radius(x, groups, purity)
    assert got == pytest.approx(plain_pure_radius(unit(x), groups.numpy(), purity), abs=1e-9)


def test_purity_in_many_blocks(monkeypatch):
    x = clusters(300, 5, dtype=torch.float32)
    groups = torch.arange(300) % 7
    want = pure_radius(x, groups, 0.9)
    monkeypatch.setattr(importlib.import_module("autoal.kernels.probcover"), "_CHUNK", 32)
    monkeypatch.setattr("autoal.kernels.checks._BLOCK_BYTES", 2048)
    assert pure_radius(x, groups, 0.9) == want
    assert want == pytest.approx(plain_pure_radius(unit(x), groups.numpy(), 0.9), abs=1e-9)


def test_purity_at_its_ends():
    x = torch.tensor([[3.0], [5.0]])
    assert pure_radius(x, torch.zeros(2, dtype=torch.int64), normalise=False) == 10
    assert pure_radius(torch.ones(4, 2), torch.tensor([0, 1, 0, 1])) == 1e-6
    with pytest.raises(AutoALError, match=r"purity=1\.5"):
        pure_radius(x, torch.tensor([0, 1]), 1.5)


def test_errors():
    with pytest.raises(AutoALError, match="radius=0"):
        probcover(torch.ones(3, 2), 1, 0.0)
    with pytest.raises(AutoALError, match="n=4"):
        probcover(torch.ones(3, 2), 4, 0.5)
