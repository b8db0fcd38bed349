"""BatchBALD against the definition, with every label configuration enumerated."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import softmax

from autoal.errors import AutoALError
from autoal.kernels import bald, batchbald


def passes(rows, classes, samples=6, seed=0, scale=2.0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(samples, rows, classes, generator=g, dtype=torch.float64) * scale


def information(p, batch):
    """I(y_S; theta) by enumeration, p being (T, N, C)."""
    joint = 0.0
    for labels in itertools.product(range(p.shape[2]), repeat=len(batch)):
        chance = np.prod([p[:, i, y] for i, y in zip(batch, labels, strict=True)], axis=0).mean()
        joint -= chance * np.log(chance)
    own = -(p * np.log(p)).sum(2).mean(0)
    return joint - own[list(batch)].sum()


def greedy(p, n):
    batch, gains, before = [], [], 0.0
    for _ in range(n):
        values = [information(p, [*batch, i]) if i not in batch else -1.0 for i in range(p.shape[1])]
        batch.append(int(np.argmax(values)))
        gains.append(max(values) - before)
        before = max(values)
    return batch, gains


@pytest.mark.parametrize("classes", [2, 3])
def test_exact_picks_are_those_of_the_enumeration(classes):
    for seed in range(3):
        mc = passes(25, classes, seed=seed)
        picks = batchbald(mc, 5, torch.Generator())
        want, gains = greedy(softmax(mc.numpy(), axis=2), 5)
        assert picks.index.tolist() == want
        np.testing.assert_allclose(picks.score, gains, atol=1e-10)
        assert picks.log["exact_picks"] == 5


def test_first_pick_is_that_of_bald_and_few_gains_are_computed():
    mc = passes(4000, 4, samples=20, seed=3)
    mc[:, 400:] *= 0.3  # most of a pool is far from the best
    picks = batchbald(mc, 5, torch.Generator())
    assert int(picks.index[0]) == int(bald(mc).argmax())
    assert float(picks.score[0]) == pytest.approx(float(bald(mc).max()), rel=1e-9)
    assert picks.log["evaluations"] < 0.1 * 5 * 4000


def test_a_batch_does_not_repeat_what_it_knows():
    mc = passes(10, 3)
    mc = mc[:, torch.arange(10).repeat(3)]  # the best sample three times
    picks = batchbald(mc, 2, torch.Generator())
    alone = bald(mc).topk(2).indices % 10
    assert alone[0] == alone[1]
    assert picks.index[0] % 10 != picks.index[1] % 10


def test_sampled_configurations_estimate_the_exact_gains():
    mc = passes(30, 3, samples=5, seed=1, scale=1.0)
    p = softmax(mc.numpy(), axis=2)
    picks = batchbald(mc, 4, torch.Generator().manual_seed(0), configurations=20_000)
    few = batchbald(mc, 4, torch.Generator().manual_seed(0), configurations=10)
    assert few.log["exact_picks"] == 3  # 9 configurations fit, 27 do not
    assert few.index[:3].tolist() == picks.index[:3].tolist()
    # The estimate of the last gain from 26 sampled configurations instead of all 27.
    exact = {i: information(p, [*picks.index[:3].tolist(), i]) for i in range(30) if i not in picks.index[:3]}
    base = information(p, picks.index[:3].tolist())
    estimates = []
    for seed in range(200):
        rough = batchbald(mc, 4, torch.Generator().manual_seed(seed), configurations=26)
        estimates.append(float(rough.score[3]))
        assert exact[int(rough.index[3])] - base > 0.6 * (max(exact.values()) - base)
    assert np.mean(estimates) == pytest.approx(max(exact.values()) - base, rel=0.25)


def test_seeded_and_long_batches():
    mc = passes(60, 5, samples=4)
    one = batchbald(mc, 40, torch.Generator().manual_seed(1), configurations=64)
    two = batchbald(mc, 40, torch.Generator().manual_seed(1), configurations=64)
    assert one.index.tolist() == two.index.tolist()
    assert len(set(one.index.tolist())) == 40
    assert (one.score >= 0).all()


def test_nothing_to_learn_is_filled_in_order_of_rows():
    mc = torch.zeros(4, 9, 3)
    assert batchbald(mc, 4, torch.Generator()).index.tolist() == [0, 1, 2, 3]
    assert batchbald(mc, 9, torch.Generator(), configurations=3).index.tolist() == list(range(9))


def test_errors():
    with pytest.raises(AutoALError, match="configurations=0"):
        batchbald(passes(5, 2), 2, torch.Generator(), configurations=0)
    with pytest.raises(AutoALError, match="at least 2"):
        batchbald(passes(5, 2)[:1], 2, torch.Generator())
