"""Kernels of the recent field that draw nothing: the order of the pool and repeated rows change no sample."""

import pytest
import torch

from autoal import kernels

from .test_contract import _head

G = torch.Generator


def _mc(logits):
    noise = torch.randn(5, 1, logits.shape[1], generator=G().manual_seed(0)).to(logits)
    return logits * (1 + 0.3 * noise.sign()) + noise


KERNELS = {
    "bait": lambda logits, x, n, side: kernels.bait(x, logits, n, side[1], side[0]).index,
    "bait_top2": lambda logits, x, n, side: kernels.bait(x, logits, n, side[1], side[0], form="top2").index,
    "batchbald": lambda logits, x, n, side: kernels.batchbald(_mc(logits), n, G(), 5**n).index,
    "cal": lambda logits, x, n, side: kernels.top_n(kernels.cal(x, logits, side[1], side[0], 3), n),
    "cluster_margin": lambda logits, x, n, side: (
        kernels.cluster_margin(logits.double(), kernels.average_linkage(x, G())[0], n).index
    ),
    "dcom": lambda logits, x, n, side: kernels.dcom(x, logits, n, side[1], side[0].argmax(1), steepness=3.0).index,
    "epig": lambda logits, x, n, side: kernels.top_n(kernels.epig(_mc(logits), _mc(side[0])), n),
    "flcg": lambda logits, x, n, side: kernels.flcg(x, n, side[1], nu=0.9).index,
    "flqmi": lambda logits, x, n, side: kernels.flqmi(x, side[1], n).index,
    "herding": lambda logits, x, n, side: kernels.herding(x, n, side[1], kernels.margin(logits)).index,
    "noise_stability": lambda logits, x, n, side: (
        kernels.noise_stability(x, *_head(logits, x), n, G().manual_seed(1), draws=3).index
    ),
}


def pool(rows, seed=0):
    g = G().manual_seed(seed)
    side = torch.randn(7, 5, generator=g), torch.randn(7, 6, generator=g)
    return torch.randn(rows, 5, generator=g) * 2, torch.randn(rows, 6, generator=g), side


@pytest.mark.parametrize("name", KERNELS)
def test_a_permuted_pool_gives_the_same_samples(name):
    logits, x, side = pool(90)
    want = KERNELS[name](logits, x, 5, side)
    for seed in range(3):
        order = torch.randperm(90, generator=G().manual_seed(seed))
        got = order[KERNELS[name](logits[order], x[order], 5, side)]
        assert got.tolist() == want.tolist()


@pytest.mark.parametrize("name", KERNELS)
def test_of_equal_samples_the_first_is_taken_first(name):
    logits, x, side = pool(40, seed=1)
    order = torch.arange(40).repeat(3)
    for seed in range(3):
        shuffled = order[torch.randperm(120, generator=G().manual_seed(seed))]
        picks = KERNELS[name](logits[shuffled], x[shuffled], 5, side).tolist()
        for row in picks:
            same = (shuffled == shuffled[row]).nonzero().squeeze(1).tolist()
            assert all(other in picks for other in same if other < row)
