"""Kept inner products change no pick, are made only where features stay, and never of what has changed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoal.distributed import World
from autoal.kernels.herding import sharded_herding
from autoal.kernels.similarity import KERNELS
from autoal.query.kept import KeptProducts


def pool(rows=300, width=12, seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, width, generator=g, dtype=torch.float64)
    x[7] = 0
    x[20:23] = x[19]
    return x.to(dtype)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_picks_are_those_without_while_the_pool_shrinks(kernel, dtype):
    x = pool(dtype=dtype)
    keeper, free, labelled = KeptProducts(), torch.arange(len(x)), torch.arange(0)
    for round_ in range(5):
        weights = torch.rand(len(free), generator=torch.Generator().manual_seed(round_))
        kept = keeper.of(free, x[free], World())
        assert (kept is None) == (round_ == 0)
        how = (len(free), 20, World(), x[labelled], weights, 1.0 - 0.1 * round_, kernel)
        picks, plain = sharded_herding(x[free], *how, kept=kept), sharded_herding(x[free], *how)
        assert picks.index.tolist() == plain.index.tolist()
        assert torch.equal(picks.score, plain.score)
        labelled = torch.cat([labelled, free[picks.index]])
        free = free[~torch.isin(free, labelled)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(1, 6), st.floats(0.05, 3))
def test_any_part_of_a_pool(seed, rows, width, bandwidth):
    g = torch.Generator().manual_seed(seed)
    # Coarse values: many equal rows and equal gains.
    x = torch.randint(-2, 3, (rows, width), generator=g).float()
    keeper = KeptProducts()
    keeper.of(torch.arange(rows), x, World())
    part = torch.randperm(rows, generator=g)[: max(1, rows // 2)].sort().values
    n = int(torch.randint(1, len(part) + 1, (1,), generator=g))
    how = (len(part), n, World(), None, torch.rand(len(part), generator=g), bandwidth)
    kept = keeper.of(part, x[part], World())
    assert kept is not None
    picks, plain = sharded_herding(x[part], *how, kept=kept), sharded_herding(x[part], *how)
    assert picks.index.tolist() == plain.index.tolist()
    assert torch.equal(picks.score, plain.score)


def test_features_that_change_make_none():
    x, ids, keeper = pool(), torch.arange(300), KeptProducts()
    for round_ in range(4):
        assert keeper.of(ids[10 * round_ :], x[10 * round_ :] + round_, World()) is None


def test_one_changed_number_or_an_unknown_sample_starts_again():
    x, ids, keeper = pool(), torch.arange(300), KeptProducts()
    assert keeper.of(ids, x, World()) is None
    assert keeper.of(ids, x.clone(), World()) is not None
    other = x.clone()
    other[299, 11] += 1e-3
    assert keeper.of(ids, other, World()) is None
    assert keeper.of(ids, other, World()) is not None
    assert keeper.of(ids + 1, other, World()) is None
    assert keeper.of(ids, other.double(), World()) is None


def test_none_for_large_pools_several_ranks_and_empty_ones():
    x, ids = pool(), torch.arange(300)
    small = KeptProducts(most_bytes=4 * 300**2 - 1)
    shared = KeptProducts()
    for _ in range(2):
        assert small.of(ids, x, World()) is None
        assert shared.of(ids, x, World(0, 2)) is None
        assert shared.of(ids[:0], x[:0], World()) is None


def test_a_callers_coarse_products_weaken_nothing():
    x, ids = pool(), torch.arange(300)
    before = torch.get_float32_matmul_precision()
    made = []
    for precision in ("highest", "medium"):
        keeper = KeptProducts()
        torch.set_float32_matmul_precision(precision)
        try:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "medium"):
                keeper.of(ids, x, World())
                made.append(keeper.of(ids, x, World()))
        finally:
            torch.set_float32_matmul_precision(before)
    assert made[0] is not None
    assert made[1] is not None
    assert torch.equal(made[0].products, made[1].products)
