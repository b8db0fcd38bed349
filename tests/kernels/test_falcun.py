"""FALCUN: chances enumerated from the definition, and the defects of known versions."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import chisquare

from autoal.errors import AutoALError
from autoal.kernels import falcun


def pool(rows, classes, seed=0, scale=1.0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(rows, classes, generator=g, dtype=torch.float64) * scale


def steps(logits, batch, gamma):
    """The chances of all samples before each pick of a batch."""
    p = softmax(logits.numpy(), axis=1)
    top = np.sort(p, axis=1)
    unsure = 1 - (top[:, -1] - top[:, -2])
    nearest = unsure.copy()
    out = []
    for place, row in enumerate(batch):
        spread = nearest.max() - nearest.min()
        value = unsure + (nearest - nearest.min()) / spread
        value[list(batch[:place])] = 0
        out.append(value**gamma / (value**gamma).sum())
        distance = np.abs(p - p[row]).sum(1)
        nearest = distance if place == 0 else np.minimum(nearest, distance)
    return out


def test_batches_have_the_chances_of_the_definition():
    logits, trials, gamma = pool(5, 3), 2000, 3.0
    expected = {
        batch: trials * np.prod([p[row] for p, row in zip(steps(logits, batch, gamma), batch, strict=True)])
        for batch in itertools.permutations(range(5), 3)
    }
    seen, generator = dict.fromkeys(expected, 0), torch.Generator().manual_seed(0)
    for _ in range(trials):
        seen[tuple(falcun(logits, 3, generator, gamma).index.tolist())] += 1
    common = [k for k in expected if expected[k] >= 5]
    f_exp, f_obs = [expected[k] for k in common], [seen[k] for k in common]
    f_exp.append(trials - sum(f_exp))
    f_obs.append(trials - sum(f_obs))
    assert chisquare(f_obs, f_exp).pvalue > 1e-4


def test_scores_use_unscaled_distances_and_keep_the_uncertainty():
    # Defects elsewhere: minima of scaled and unscaled distances mixed; the uncertainty left out after one pick.
    logits = pool(60, 4, seed=2)
    picks = falcun(logits, 20, torch.Generator().manual_seed(1), gamma=1.0)
    rows = picks.index.tolist()
    p = softmax(logits.numpy(), axis=1)
    top = np.sort(p, axis=1)
    unsure = 1 - (top[:, -1] - top[:, -2])
    for place in range(1, 20):
        nearest = np.min([np.abs(p - p[r]).sum(1) for r in rows[:place]], axis=0)
        want = unsure[rows[place]] + nearest[rows[place]] / nearest.max()
        assert float(picks.score[place]) == pytest.approx(want, rel=1e-9)


def test_a_large_gamma_takes_the_best_and_zero_draws_uniformly():
    logits = pool(40, 3)
    best = falcun(logits, 1, torch.Generator().manual_seed(0), gamma=1e5).index
    p = torch.softmax(logits, 1).topk(2).values
    assert int(best) == int((p[:, 0] - p[:, 1]).argmin())
    firsts = {int(falcun(logits, 1, torch.Generator().manual_seed(s), gamma=0.0).index) for s in range(200)}
    assert len(firsts) > 30


def test_certain_pools_are_filled():
    logits = torch.zeros(30, 4)
    logits[:, 2] = 1e4
    picks = falcun(logits, 12, torch.Generator().manual_seed(0))
    assert len(set(picks.index.tolist())) == 12
    assert picks.log["filled"] == 12
    with pytest.raises(AutoALError, match="gamma=-1"):
        falcun(logits, 2, torch.Generator(), gamma=-1)
