"""Noise stability and the least disagree metric against plain versions with the same noise."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import spearmanr

from autoal.errors import AutoALError
from autoal.kernels import ldm_s, least_disagree, noise_stability

from .oracles import greedy_k_center


def pool(rows=80, classes=3, dim=6, seed=0):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, dim, generator=g, dtype=torch.float64)
    weight = torch.randn(classes, dim, generator=g, dtype=torch.float64)
    return z, weight, 0.1 * torch.randn(classes, generator=g, dtype=torch.float64)


def deviations(z, weight, bias, generator, draws, scale):
    theta = torch.cat([weight, bias[:, None]], 1)
    out = []
    for _ in range(draws):
        noise = torch.randn(theta.shape, generator=generator, dtype=torch.float64)
        noise *= scale * theta.norm() / noise.norm()
        moved = theta + noise
        before = softmax((z @ weight.T + bias).numpy(), axis=1)
        out.append(softmax((z @ moved[:, :-1].T + moved[:, -1]).numpy(), axis=1) - before)
    return np.concatenate(out, 1) / scale


@pytest.mark.parametrize("scale", [1e-3, 0.3])
def test_noise_stability_is_k_center_on_the_deviations(scale):
    z, weight, bias = pool()
    picks = noise_stability(z, weight, bias, 15, torch.Generator().manual_seed(3), draws=4, scale=scale)
    x = deviations(z, weight, bias, torch.Generator().manual_seed(3), 4, scale)
    want, distance = greedy_k_center(lambda i: ((x - x[i]) ** 2).sum(1), 15, (x**2).sum(1))
    assert picks.index.tolist() == want
    np.testing.assert_allclose(picks.score, np.sqrt(distance), rtol=1e-4)


def test_noise_stability_sees_uncertainty():
    # A projection of the embedding alone would want the long, sure samples.
    z = torch.cat([torch.tensor([[50.0, 0.0]]), torch.tensor([[1.0, 1.01]])]).double()
    picks = noise_stability(z, torch.eye(2).double(), torch.zeros(2).double(), 1, torch.Generator().manual_seed(0))
    assert picks.index.tolist() == [1]


def plain_metric(z, weight, bias, generator, sizes, draws):
    theta = torch.cat([weight, bias[:, None]], 1)
    size = weight.square().mean().sqrt()
    present = (z @ weight.T + bias).argmax(1)
    best = np.ones(len(z))
    for deviation in sizes:
        for _ in range(draws):
            moved = theta + deviation * size * torch.randn(theta.shape, generator=generator, dtype=torch.float64)
            other = ((z @ moved[:, :-1].T + moved[:, -1]).argmax(1) != present).numpy()
            best[other] = np.minimum(best[other], other.mean())
    return best


def test_the_metric_is_the_smallest_disagreement_that_flips_a_sample():
    z, weight, bias = pool()
    sizes = (0.01, 0.1, 1.0)
    got = least_disagree(z, weight, bias, torch.Generator().manual_seed(2), sizes, draws=7)
    np.testing.assert_allclose(got, plain_metric(z, weight, bias, torch.Generator().manual_seed(2), sizes, 7))


def test_the_metric_orders_samples_by_their_distance_to_the_boundary():
    place = torch.linspace(-3, 3, 200).double()
    z = torch.stack([place, torch.ones(200)], 1).double()
    weight, bias = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).double(), torch.zeros(2).double()
    value = least_disagree(z, weight, bias, torch.Generator().manual_seed(0), draws=30)
    assert spearmanr(value, place.abs()).statistic > 0.95


def test_ldm_s_starts_at_the_least_and_prefers_the_small():
    z, weight, bias = pool(300)
    picks = ldm_s(z, weight, bias, 20, torch.Generator().manual_seed(1))
    metric = least_disagree(z, weight, bias, torch.Generator().manual_seed(1))
    assert float(metric[picks.index[0]]) == float(metric.min())
    np.testing.assert_allclose(picks.score, -metric[picks.index])
    edge = float(torch.sort(metric).values[19])
    assert picks.log["ldm_batch"] == edge
    assert float(metric[picks.index].mean()) < float(metric.mean())


def test_a_head_of_zeros_and_pools_that_never_flip():
    z = torch.zeros(12, 3)
    for run in (
        lambda: noise_stability(z, torch.zeros(2, 3), torch.zeros(2), 5, torch.Generator().manual_seed(0)),
        lambda: ldm_s(z, torch.eye(2, 3), torch.tensor([1e9, 0.0]), 12, torch.Generator().manual_seed(0)),
    ):
        picks = run()
        assert len(set(picks.index.tolist())) == len(picks.index)
        assert torch.isfinite(picks.score).all()


def test_errors():
    z, weight, bias = pool(10)
    g = torch.Generator()
    with pytest.raises(AutoALError, match="draws=0"):
        noise_stability(z, weight, bias, 2, g, draws=0)
    with pytest.raises(AutoALError, match="scale=0"):
        noise_stability(z, weight, bias, 2, g, scale=0.0)
    with pytest.raises(AutoALError, match="draws=0"):
        ldm_s(z, weight, bias, 2, g, draws=0)
    with pytest.raises(AutoALError, match="deviations="):
        ldm_s(z, weight, bias, 2, g, deviations=())
