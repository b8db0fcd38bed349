"""BatchBALD, EPIG and stochastic batches on nasty pools, against plain definitions in float64."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax, xlogy

from autoal.kernels import batchbald, epig, stochastic_batch
from autoal.kernels.stochastic import gumbel

from .pools import pools, seconds

EQUAL = 1e-9


def passes(logits, seed, count=4):
    """Stochastic passes that are equal for equal rows."""
    g = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 1, logits.shape[1], generator=g, dtype=torch.float64).to(logits.dtype)
    return logits * (1 + 0.3 * noise.sign()) + noise


def information(p, batch):
    """I(y_S; theta) with every label configuration."""
    joint = 0.0
    for labels in itertools.product(range(p.shape[2]), repeat=len(batch)):
        chance = np.prod([p[:, i, y] for i, y in zip(batch, labels, strict=True)], axis=0).mean()
        joint -= xlogy(chance, chance)
    return joint + xlogy(p, p).sum(2).mean(0)[batch].sum()


@seconds(20)
@given(pools(rows=9, classes=3))
def test_batchbald_is_the_enumeration(pool):
    mc, n = passes(pool.logits, pool.seed), min(pool.n, 3)
    p = softmax(mc.double().numpy(), axis=2)
    picks = batchbald(mc, n, pool.generator())
    before = 0.0
    for place, row in enumerate(picks.index.tolist()):
        batch = picks.index[:place].tolist()
        value = [information(p, [*batch, i]) - before for i in range(len(pool.x)) if i not in batch]
        mine = information(p, [*batch, row]) - before
        assert mine >= max(value) - 1e-8  # differences of joint entropies: no more digits in the definition
        assert float(picks.score[place]) == pytest.approx(mine, abs=1e-8)
        before += mine


@seconds(30)
@given(pools(rows=20, classes=60), st.integers(1, 9))
def test_epig_is_the_definition(pool, count):
    mc = passes(pool.logits, pool.seed)
    targets = mc[:, torch.randint(len(pool.x), (count,), generator=pool.generator())]
    p, q = (softmax(v.double().numpy(), axis=2) for v in (mc, targets))
    joint = np.einsum("tnc,tmd->nmcd", p, q) / len(p)
    pm, qm = p.mean(0), q.mean(0)
    want = (xlogy(joint, joint).sum((2, 3)) - xlogy(pm, pm).sum(1)[:, None] - xlogy(qm, qm).sum(1)).mean(1)
    got = epig(mc, targets, top_classes=60)
    np.testing.assert_allclose(got, want, atol=2e-5 if mc.dtype != torch.float64 else 1e-9)
    assert (got >= 0).all()


@seconds(30)
@given(pools(rows=60), st.sampled_from(["power", "softmax", "softrank"]), st.sampled_from([0.5, 1.0, 8.0]))
def test_stochastic_batches_follow_the_ids(pool, form, beta):
    """Best of score plus Gumbel noise of the id, whatever the order of the rows, with zeros and equal scores."""
    score = pool.x[:, 0].double().abs().round(decimals=1)
    ids = torch.randperm(10_000, generator=pool.generator())[: len(score)].sort().values
    picks = stochastic_batch(score, pool.n, 5, ids, form, beta)
    noise = gumbel(5, ids)
    rank = torch.sort(score, descending=True, stable=True).indices.argsort() + 1
    base = {"power": beta * score.log(), "softmax": beta * score, "softrank": -beta * rank.double().log()}[form]
    noisy = base + noise
    order = sorted(range(len(score)), key=lambda i: (-float(noisy[i]), -float(noise[i]), i))
    if form == "power":  # zeros come last, in the order of their noise
        order = sorted(
            range(len(score)), key=lambda i: (score[i] == 0, -float(noisy[i] if score[i] else noise[i]))
        )
    assert picks.index.tolist() == order[: pool.n]
    shuffled = stochastic_batch(score[pool.order], pool.n, 5, ids[pool.order], form, beta)
    assert ids[pool.order][shuffled.index].tolist() == ids[picks.index].tolist()
