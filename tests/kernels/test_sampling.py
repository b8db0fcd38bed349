import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from autoal.kernels import sampling
from autoal.kernels.geometry import Points
from autoal.kernels.sampling import d2_sample


def ordered_draws(x, n, first, weights):
    """Probability of every ordered outcome of D^2 sampling, by enumeration in float64."""
    x = np.asarray(x, dtype=np.float64)
    out = {}
    for rest in itertools.permutations([i for i in range(len(x)) if i != first], n - 1):
        chance, chosen = 1.0, [first]
        for row in rest:
            d = np.min([((x - x[c]) ** 2).sum(1) for c in chosen], axis=0) * weights
            chance *= d[row] / d.sum()
            chosen.append(row)
        out[rest] = chance
    return out


@pytest.mark.parametrize("pending", [pytest.param(1, marks=pytest.mark.slow), 96])
@pytest.mark.parametrize("weighted", [False, True])
def test_distribution_is_exactly_d2(monkeypatch, pending, weighted):
    # With 96 the bounds are never refreshed, so everything rests on the rejection step.
    monkeypatch.setattr(sampling, "_MAX_PENDING", pending)
    x = torch.tensor([[0.0, 0], [1, 0], [0, 2], [3, 1], [3.5, 1]])
    weights = torch.tensor([1.0, 0.5, 2.0, 1.0, 0.2]) if weighted else torch.ones(5)
    chances = ordered_draws(x, 4, 0, weights.numpy())
    generator = torch.Generator().manual_seed(0)
    space = Points.centred(x)
    seen = dict.fromkeys(chances, 0)
    trials = 600
    for _ in range(trials):
        seeds = d2_sample(space, 4, generator, 0, weights if weighted else None)
        seen[tuple(seeds.index.tolist()[1:])] += 1
    keys = [k for k in chances if chances[k] * trials >= 5]
    rare = trials - sum(seen[k] for k in keys)
    expected = [chances[k] * trials for k in keys]
    assert chisquare([*(seen[k] for k in keys), rare], [*expected, trials - sum(expected)]).pvalue > 1e-4


def test_reported_distance_is_the_true_one():
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    seeds = d2_sample(Points.centred(x), 120, torch.Generator().manual_seed(1), 7)
    assert seeds.index[0] == 7
    for place in range(1, 120):
        want = (x[seeds.index[place]] - x[seeds.index[:place]]).square().sum(1).min()
        assert seeds.distance[place] == pytest.approx(float(want), rel=1e-9)
    assert len(set(seeds.index.tolist())) == 120


def test_reads_the_rows_a_few_times():
    x = torch.randn(4000, 16, generator=torch.Generator().manual_seed(0))
    seeds = d2_sample(Points.centred(x), 500, torch.Generator().manual_seed(1), 0)
    assert seeds.passes <= 10
    assert seeds.proposals < 2 * 500


def test_repeated_rows_are_drawn_only_when_nothing_else_is_left():
    base = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) + 100
    x = base.repeat_interleave(50, 0)
    seeds = d2_sample(Points.centred(x), 10, torch.Generator().manual_seed(2), 0)
    groups = (seeds.index // 50).tolist()
    assert sorted(groups[:6]) == [0, 1, 2, 3, 4, 5]
    assert seeds.filled == 4
    assert len(set(seeds.index.tolist())) == 10


def test_progress_ends_at_n():
    calls = []
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    d2_sample(Points.centred(x), 150, torch.Generator(), 0, progress=lambda *c: calls.append(c))
    assert calls[-1] == (150, 150)
    assert [c[0] for c in calls] == sorted(c[0] for c in calls)
