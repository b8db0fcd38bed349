"""Uncertainty with geometry on nasty pools: CAL, CLUE, Cluster-Margin, DropQuery, FALCUN, noise stability, LDM."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoal import kernels
from autoal.kernels.dropquery import flips

from .coverage_oracles import unit
from .oracles import greedy_k_center, squared_distances
from .pools import pools, seconds


def head(pool):
    """Weight and bias of a last layer."""
    g = torch.Generator().manual_seed(pool.seed)
    classes, dim = pool.logits.shape[1], pool.x.shape[1]
    return torch.randn(classes, dim, generator=g).to(pool.x), torch.randn(classes, generator=g).to(pool.x)


def probabilities(logits):
    return torch.log_softmax(logits.double(), 1).numpy()


@seconds(30)
@given(pools(cold=False), st.sampled_from([1, 3, 10]))
def test_cal_is_the_loop(pool, k):
    value = kernels.cal(pool.x, pool.logits, pool.known, pool.known_logits, k).numpy()
    p, q = probabilities(pool.logits), probabilities(pool.known_logits)
    cosine = unit(pool.x.double()) @ unit(pool.known.double()).T
    wide = pool.x.dtype == torch.float64
    for i in range(len(pool.x)):
        # Equally near neighbours, up to the rounding of the features' type, go by row.
        near = np.argsort(-np.round(cosine[i], 10), kind="stable")[:k]
        kl = np.mean([(np.exp(q[j]) * (q[j] - p[i])).sum() for j in near])
        last = cosine[i][near[-1]]
        if wide or (np.sum(np.abs(cosine[i] - last) < 1e-5) == 1 or k >= len(pool.known)):
            assert value[i] == pytest.approx(max(kl, 0), rel=1e-5, abs=1e-6)
    assert (value >= 0).all()
    assert np.isfinite(value).all()


@seconds(30)
@given(pools(), st.sampled_from([1.0, 1.25, 10.0]), st.integers(1, 6))
def test_cluster_margin_is_the_round_robin(pool, factor, groups):
    clusters = torch.randint(groups, (len(pool.x),), generator=pool.generator())
    picks = kernels.cluster_margin(pool.logits, clusters, pool.n, factor)
    p = np.sort(np.exp(probabilities(pool.logits)), axis=1)
    margins = np.round(p[:, -1] - p[:, -2], 9)  # equal ones go by row
    kept = sorted(range(len(margins)), key=lambda i: (margins[i], i))[: max(pool.n, int(factor * pool.n))]
    queues = {}
    for i in kept:
        queues.setdefault(int(clusters[i]), []).append(i)
    turns, want = sorted(queues.values(), key=lambda q: (len(q), kept.index(q[0]))), []
    while len(want) < pool.n:
        want += [q.pop(0) for q in turns if q]
    if pool.logits.dtype == torch.float64 or pool.logits.eq(0).all():
        assert picks.index.tolist() == want[: pool.n]


@seconds(20)
@given(pools(rows=12), st.sampled_from(["threshold", "average_size"]))
def test_average_linkage_is_the_definition(pool, rule):
    """Merge the two clusters with the least mean distance, again and again."""
    x = pool.x.double().numpy()
    d = np.sqrt([squared_distances(x, row) for row in x])
    option = {rule: 1.0 if rule == "threshold" else 2.0}
    got, _ = kernels.average_linkage(pool.x.double(), pool.generator(), **option)
    groups, most = [[i] for i in range(len(x))], int(np.ceil(len(x) / 2))
    while len(groups) > (1 if rule == "threshold" else most):
        mean = {(a, b): d[np.ix_(groups[a], groups[b])].mean() for a in range(len(groups)) for b in range(a)}
        (a, b), least = min(mean.items(), key=lambda item: item[1])
        if rule == "threshold" and least > 1.0:
            break
        if sum(abs(v - least) < 1e-9 for v in mean.values()) > 1 and least > 0:
            return  # equal distances: more than one tree is right
        groups[b] += groups.pop(a)
    mine = {frozenset(np.flatnonzero(got.numpy() == c).tolist()) for c in set(got.tolist())}
    assert mine == {frozenset(g) for g in groups}


@seconds(20)
@given(pools(classes=7), st.sampled_from([0.3, 0.75]))
def test_dropquery_keeps_masks_with_ids_and_takes_flipped_samples_first(pool, dropout):
    weight, bias = head(pool)
    logits = (pool.x.float() @ weight.float().T + bias.float()).to(pool.x)
    ids = torch.randperm(5000, generator=pool.generator())[: len(pool.x)]
    count = flips(pool.x, logits, weight, bias, 3, ids, dropout=dropout)
    again = flips(pool.x[pool.order], logits[pool.order], weight, bias, 3, ids[pool.order], dropout=dropout)
    assert torch.equal(count[pool.order], again)
    picks = kernels.dropquery(pool.x, logits, weight, bias, pool.n, 3, pool.generator(), ids, dropout=dropout)
    rows = picks.index
    assert len(set(rows.tolist())) == pool.n
    candidates = count > picks.log["threshold"]
    assert int(candidates.sum()) == picks.log["candidates"]
    assert int(candidates[rows].sum()) == min(pool.n, int(candidates.sum()))


@seconds(20)
@given(pools(), st.sampled_from([0.0, 1.0, 10.0]))
def test_falcun_scores_are_the_definitions_along_its_own_batch(pool, gamma):
    picks = kernels.falcun(pool.logits, pool.n, pool.generator(), gamma)
    rows = picks.index.tolist()
    assert len(set(rows)) == pool.n
    p = np.exp(probabilities(pool.logits))
    top = np.sort(p, axis=1)
    unsure = 1 - (top[:, -1] - top[:, -2])
    for place in range(1, pool.n - int(picks.log["filled"])):
        nearest = np.min([np.abs(p - p[r]).sum(1) for r in rows[:place]], axis=0)
        want = unsure[rows[place]] + nearest[rows[place]] / max(nearest.max(), 1e-300)
        assert float(picks.score[place]) == pytest.approx(want, rel=1e-4, abs=1e-6)


@seconds(20)
@given(pools(rows=25, classes=7, dtypes=[torch.float64]))
def test_noise_stability_is_k_center_on_the_deviations(pool):
    weight, bias = head(pool)
    picks = kernels.noise_stability(pool.x, weight, bias, pool.n, pool.generator(), draws=3, scale=0.1)
    theta = torch.cat([weight, bias[:, None]], 1)
    z, g, parts = torch.cat([pool.x, torch.ones(len(pool.x), 1).double()], 1), pool.generator(), []
    for _ in range(3):
        noise = torch.randn(theta.shape, generator=g, dtype=torch.float64)
        moved = theta + 0.1 * theta.norm() / noise.norm() * noise
        parts.append(np.exp(probabilities(z @ moved.T)) - np.exp(probabilities(z @ theta.T)))
    x = np.concatenate(parts, 1) / 0.1

    def distances(point):
        # A matrix product gives equal rows different last bits, depending on where they lie and on the processor.
        squared = squared_distances(x, point)
        return np.where(squared > 1e-25, squared, 0.0)

    want, _ = greedy_k_center(lambda i: distances(x[i]), pool.n, distances(0), tie=1e-7)
    assert picks.index.tolist() == want


@seconds(20)
@given(pools(rows=25, classes=7, dtypes=[torch.float64]))
def test_the_least_disagree_metric_is_the_definition(pool):
    weight, bias = head(pool)
    sizes = (0.1, 1.0)
    got = kernels.least_disagree(pool.x, weight, bias, pool.generator(), sizes, draws=4)
    theta, g = torch.cat([weight, bias[:, None]], 1), pool.generator()
    z, best = torch.cat([pool.x, torch.ones(len(pool.x), 1).double()], 1), np.ones(len(pool.x))
    present = (z @ theta.T).argmax(1)
    for size in sizes:
        for _ in range(4):
            noise = torch.randn(theta.shape, generator=g, dtype=torch.float64)
            moved = theta + size * weight.square().mean().sqrt() * noise
            other = ((z @ moved.T).argmax(1) != present).numpy()
            best[other] = np.minimum(best[other], other.mean())
    np.testing.assert_allclose(got, best)


SEEDED = {
    "clue": lambda p: kernels.clue(p.x, p.logits, p.n, p.generator(), temperature=0.1),
    "falcun": lambda p: kernels.falcun(p.logits, p.n, p.generator()),
    "ldm_s": lambda p: kernels.ldm_s(p.x, *head(p), p.n, p.generator(), draws=2),
    "noise_stability": lambda p: kernels.noise_stability(p.x, *head(p), p.n, p.generator(), draws=2),
}


@pytest.mark.parametrize("name", SEEDED)
def test_blocks_change_nothing(name):
    @seconds(8)
    @given(pools(), st.sampled_from([256, 4096]))
    def check(pool, block):
        want = SEEDED[name](pool).index.tolist()
        assert len(set(want)) == pool.n
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("autoal.kernels.checks._BLOCK_BYTES", block)
            assert SEEDED[name](pool).index.tolist() == want

    check()
