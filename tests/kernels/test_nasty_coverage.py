"""The coverage family on nasty pools: herding, ProbCover, TypiClust and DCoM against their plain definitions."""

import importlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal.kernels import activeft, dcom, herding, probcover, pure_radius, typiclust, unit_rows, weighted_kmeans
from autoal.kernels.similarity import KERNELS

from .coverage_oracles import below, plain_activeft, plain_dcom, plain_herding, plain_typiclust, squared, unit
from .pools import pools, seconds


def wide(x):
    return None if x is None else x.double()


@pytest.mark.parametrize("kernel", KERNELS)
def test_herding_is_the_plain_algorithm(kernel):
    @seconds(20)
    @given(pools(), st.sampled_from([0.3, 1.0, 4.0]), st.booleans())
    def check(pool, h, weighted):
        weights = torch.rand(len(pool.x), generator=pool.generator()).round(decimals=1) if weighted else None
        picks = herding(pool.x, pool.n, pool.start, weights, h, kernel)
        want, gains = plain_herding(
            pool.x.double(), pool.n, labelled=wide(pool.start), weights=weights, kernel=kernel, h=h
        )
        assert picks.index.tolist() == want
        np.testing.assert_allclose(picks.score, gains, rtol=1e-6, atol=1e-9)

    check()


@seconds(40)
@given(pools(), st.sampled_from([0.1, 0.6, 1.0, 1.5]))
def test_probcover_is_the_plain_algorithm(pool, radius):
    picks = probcover(pool.x, pool.n, radius, pool.start)
    want, gains = plain_herding(pool.x.double(), pool.n, labelled=wide(pool.start), kernel="top_hat", h=radius)
    assert picks.index.tolist() == want
    assert picks.score.tolist() == gains.tolist()


@seconds(15)
@given(pools(), st.sampled_from([1, 3, 500]))
def test_typiclust_is_the_definition(pool, most):
    picks = typiclust(pool.x, pool.n, pool.generator(), pool.start, max_clusters=most, neighbours=3)
    whole = torch.cat([pool.known, pool.x])
    k = min(pool.n + len(pool.known), most, len(whole))
    assignment = weighted_kmeans(unit_rows(whole), k, pool.generator(), max_iter=50)[1]
    z = unit(pool.x.double())
    assert picks.index.tolist() == plain_typiclust(z, assignment.numpy(), len(pool.known), pool.n, neighbours=3)


@seconds(25)
@given(pools(cold=False, classes=7), st.sampled_from([0.2, 0.9]), st.sampled_from([3.0, 30.0]))
def test_dcom_is_the_definition(pool, switch, steepness):
    picks = dcom(pool.x, pool.logits, pool.n, pool.known, pool.targets, switch=switch, steepness=steepness)
    p = torch.softmax(pool.logits.double(), 1).numpy()
    want, competence = plain_dcom(
        unit(pool.x.double()), p, unit(pool.known.double()), pool.targets.numpy(), pool.n,
        switch=switch, steepness=steepness,
    )  # fmt: skip
    assert picks.log["competence"] == competence
    assert picks.index.tolist() == want


@seconds(8)
@given(pools(rows=25, kinds=("plain", "tight")), st.sampled_from([1.0, 0.3]))
def test_activeft_is_plain_optimisation(pool, balance):
    picks = activeft(pool.x, pool.n, pool.generator(), pool.start, steps=2, lr=0.1, balance=balance)
    z, fixed = torch.tensor(unit(pool.x.double())), torch.tensor(unit(pool.known.double()))
    cosine, want = plain_activeft(z, fixed, pool.n, pool.generator(), steps=2, lr=0.1, balance=balance)
    np.testing.assert_allclose(picks.score, [cosine[i, j] for i, j in enumerate(picks.index.tolist())], atol=2e-4)
    if pool.x.dtype == torch.float64:
        assert picks.index.tolist() == want


@seconds(30)
@given(pools(), st.sampled_from([0.5, 0.95, 1.0]), st.integers(1, 4))
def test_the_pure_radius_is_the_definitions(pool, purity, groups):
    clusters = torch.randint(groups, (len(pool.x),), generator=pool.generator())
    got, d = pure_radius(pool.x, clusters, purity), np.sqrt(squared(*[unit(pool.x.double())] * 2))
    foreign = (clusters[:, None] != clusters[None]).numpy()
    impure = (below(d, got * (1 - 1e-6)) & foreign).any(1).mean()
    assert impure <= 1 - purity + 1e-9 or got <= 1e-6
    if foreign.any():  # and no larger radius would do
        assert (below(d, got * (1 + 1e-6) + 1e-6) & foreign).any(1).mean() > 1 - purity - 1e-9
    else:
        assert (d < got + 1e-9).all()


ALL = {
    "herding": lambda p: herding(p.x, p.n, p.start),
    "probcover": lambda p: probcover(p.x, p.n, 0.6, p.start),
    "typiclust": lambda p: typiclust(p.x, p.n, p.generator(), p.start, max_clusters=4, neighbours=3),
    "dcom": lambda p: dcom(p.x, p.logits, p.n, p.start, p.targets),
}


@pytest.mark.parametrize("name", ALL)
def test_sizes_of_blocks_and_windows_change_nothing(name, monkeypatch):
    module = importlib.import_module("autoal.kernels.herding")

    @seconds(6)
    @given(pools(), st.sampled_from([256, 4096]), st.integers(1, 20))
    def check(pool, block, window):
        want = ALL[name](pool).index.tolist()
        with monkeypatch.context() as patch:
            patch.setattr("autoal.kernels.checks._BLOCK_BYTES", block)
            patch.setattr(module, "_FIRST", window)
            patch.setattr(module, "_MOST", 2 * window)
            assert ALL[name](pool).index.tolist() == want

    check()


@pytest.mark.parametrize("name", ALL)
def test_of_equal_rows_the_first_are_taken_first(name):
    @seconds(12)
    @given(pools(kinds=("repeated", "zeros", "lattice", "one-hot")))
    def check(pool):
        picks = ALL[name](pool).index.tolist()
        for place, row in enumerate(picks):
            same = (pool.x == pool.x[row]).all(1) & (pool.logits == pool.logits[row]).all(1)
            assert all(other in picks[:place] for other in same.nonzero().squeeze(1).tolist() if other < row)

    check()
