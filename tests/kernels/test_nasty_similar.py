"""SIMILAR on nasty pools: copies, zero rows, equal angles, one sample, the whole pool, every type."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoal.kernels import flcg, flqmi

from .coverage_oracles import unit
from .pools import pools, seconds

EQUAL = 1e-9


def angles(x, y):
    return (1 + unit(x.double()) @ unit(y.double()).T) / 2


def greedy(gain, rows, n):
    """The lowest row of the largest gain; the lowest rows when none is left."""
    picks, gains, nothing = [], [], None
    while len(picks) < n:
        value = np.array([gain(picks, i) if i not in picks else -1.0 for i in range(rows)])
        nothing = EQUAL * value.max() if nothing is None else nothing
        if value.max() <= nothing:
            break
        picks.append(int(np.flatnonzero(value >= value.max() * (1 - EQUAL))[0]))
        gains.append(value.max())
    rest = [i for i in range(rows) if i not in picks]
    return (picks + rest)[:n], np.array(gains + [0.0] * (n - len(gains)))


@seconds(25)
@given(pools(rows=16, cold=False), st.sampled_from([0.0, 0.3, 1.0]))
def test_mutual_information(pool, eta):
    s = angles(pool.known, pool.x)

    def gain(batch, i):
        covered = s[:, batch].max(1) if batch else np.zeros(len(s))
        return np.maximum(s[:, i] - covered, 0).sum() + eta * s[:, i].max()

    want, gains = greedy(gain, len(pool.x), pool.n)
    picks = flqmi(pool.x, pool.known, pool.n, eta)
    np.testing.assert_allclose(picks.score, gains, rtol=1e-4, atol=2e-5)
    if pool.x.dtype.itemsize == 8:
        assert picks.index.tolist() == want


@seconds(25)
@given(pools(rows=16), st.sampled_from([0.0, 0.8, 1.0]))
def test_conditional_gain(pool, nu):
    s = angles(pool.x, pool.x)
    floor = nu * angles(pool.x, pool.known).max(1) if len(pool.known) else np.zeros(len(s))

    def gain(batch, i):
        covered = np.maximum(floor, s[:, batch].max(1)) if batch else floor
        return np.maximum(s[:, i] - covered, 0).sum()

    want, gains = greedy(gain, len(pool.x), pool.n)
    picks = flcg(pool.x, pool.n, pool.start, nu)
    np.testing.assert_allclose(picks.score, gains, rtol=1e-4, atol=2e-5 * len(s))
    if pool.x.dtype.itemsize == 8:
        assert picks.index.tolist() == want


@pytest.mark.parametrize("name", ["flqmi", "flcg"])
def test_blocks_change_nothing_and_of_equal_rows_the_first_is_taken(name):
    def run(pool):
        return flqmi(pool.x, pool.known, pool.n) if name == "flqmi" else flcg(pool.x, pool.n, pool.known)

    @seconds(20)
    @given(pools(cold=False), st.sampled_from([256, 4096]))
    def check(pool, block):
        picks = run(pool).index.tolist()
        for place, row in enumerate(picks):
            same = (pool.x == pool.x[row]).all(1).nonzero().squeeze(1).tolist()
            assert all(other in picks[:place] for other in same if other < row)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("autoal.kernels.checks._BLOCK_BYTES", block)
            assert run(pool).index.tolist() == picks

    check()
