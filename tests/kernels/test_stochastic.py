"""Power, softmax and softrank batches: right frequencies, and noise that belongs to the sample."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from autoal.errors import AutoALError
from autoal.kernels import stochastic_batch
from autoal.kernels.stochastic import gumbel

SCORE = torch.tensor([0.2, 1.0, 0.05, 0.6, 0.4], dtype=torch.float64)


def chances(form, beta):
    score = SCORE.numpy()
    if form == "power":
        return score**beta
    if form == "softmax":
        return np.exp(beta * score)
    return (1.0 + (-score).argsort().argsort()) ** -beta


@pytest.mark.parametrize("form", ["power", "softmax", "softrank"])
@pytest.mark.parametrize("beta", [1.0, pytest.param(2.5, marks=pytest.mark.slow)])
def test_batches_have_the_chances_of_sampling_without_replacement(form, beta):
    weight, trials = chances(form, beta), 1500
    expected = {}
    for batch in itertools.permutations(range(5), 2):
        chance, left = 1.0, weight.sum()
        for row in batch:
            chance *= weight[row] / left
            left -= weight[row]
        expected[batch] = chance * trials
    seen = dict.fromkeys(expected, 0)
    for key in range(trials):
        seen[tuple(stochastic_batch(SCORE, 2, key, form=form, beta=beta).index.tolist())] += 1
    common = [k for k in expected if expected[k] >= 5]
    f_exp = [expected[k] for k in common]
    f_obs = [seen[k] for k in common]
    if len(common) < len(expected):
        f_exp.append(trials - sum(f_exp))
        f_obs.append(trials - sum(f_obs))
    assert chisquare(f_obs, f_exp).pvalue > 1e-4


def test_noise_is_gumbel():
    noise = gumbel(5, torch.arange(20_000))
    assert kstest(noise.numpy(), "gumbel_r").pvalue > 1e-3
    assert torch.isfinite(noise).all()


def test_neither_order_nor_shards_change_the_batch():
    g = torch.Generator().manual_seed(0)
    score, ids = torch.rand(400, generator=g).double(), torch.randperm(10_000, generator=g)[:400]
    for form in ("power", "softmax", "softrank"):
        want = set(ids[stochastic_batch(score, 30, 9, ids, form).index].tolist())
        order = torch.randperm(400, generator=g)
        assert set(ids[order][stochastic_batch(score[order], 30, 9, ids[order], form).index].tolist()) == want
    # Shards: each picks its own best, the best of those are the batch.
    union = torch.cat(
        [torch.arange(r, 400, 2)[stochastic_batch(score[r::2], 30, 9, ids[r::2]).index] for r in (0, 1)]
    )
    best = union[stochastic_batch(score[union], 30, 9, ids[union]).index]
    assert best.tolist() == stochastic_batch(score, 30, 9, ids).index.tolist()


def test_too_few_positive_scores_do_not_make_the_draw_uniform():
    # A known defect elsewhere: with fewer than n positive scores every sample gets the same chance.
    score = torch.zeros(50, dtype=torch.float64)
    score[[7, 21]] = torch.tensor([1.0, 1e-12], dtype=torch.float64)
    seconds = set()
    for key in range(40):
        picks = stochastic_batch(score, 5, key)
        assert set(picks.index[:2].tolist()) == {7, 21}
        assert picks.log["zeros"] == 3
        assert torch.isfinite(picks.score).all()
        assert (picks.score.diff() <= 0).all()
        seconds.add(int(picks.index[2]))
    assert len(seconds) > 10  # the zeros follow in random order


def test_limits_of_beta():
    g = torch.Generator().manual_seed(1)
    score = torch.rand(100, generator=g).double()
    top = torch.sort(score, descending=True).indices[:10]
    for form in ("power", "softmax", "softrank"):
        assert stochastic_batch(score, 10, 3, form=form, beta=1e6).index.tolist() == top.tolist()
        uniform = gumbel(3, torch.arange(100)).topk(10).indices
        assert stochastic_batch(score, 10, 3, form=form, beta=0.0).index.tolist() == uniform.tolist()


def test_softrank_ranks_equal_scores_by_id():
    ids = torch.tensor([9, 4, 7])
    score = torch.ones(3)
    picks = stochastic_batch(score, 3, 0, ids, "softrank", beta=1e9)
    assert ids[picks.index].tolist() == [4, 7, 9]


def test_errors():
    with pytest.raises(AutoALError, match=r"negative value -1: use form='softmax' or 'softrank'"):
        stochastic_batch(torch.tensor([1.0, -1.0]), 1, 0)
    with pytest.raises(AutoALError, match="form='boltzmann' is none of power, softmax, softrank"):
        stochastic_batch(SCORE, 1, 0, form="boltzmann")
    with pytest.raises(AutoALError, match="beta=-1"):
        stochastic_batch(SCORE, 1, 0, beta=-1)
    with pytest.raises(AutoALError, match="nan"):
        stochastic_batch(torch.tensor([1.0, float("nan")]), 1, 0)
