"""DDU: far-away points first, and Gaussians that one sample per class can bear."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import multivariate_normal

from autoal.learned.density import gaussian_log_density
from autoal.strategies.ddu import DDU
from tests.strategies.planted import context, planted_task, train_with_hook


def test_density_is_that_of_the_mixture() -> None:
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(50, 3, generator=rng)
    y = torch.arange(50) % 2
    x = torch.randn(7, 3, generator=rng) * 2
    kappa = 4.0
    centred = torch.cat([z[y == c] - z[y == c].mean(0) for c in range(2)]).double()
    pooled = centred.T @ centred / 50
    prior = (50 / 53) * pooled + (3 / 53) * pooled.diagonal().mean() * torch.eye(3)
    expected = 0.0
    for c in range(2):
        rows = (z[y == c] - z[y == c].mean(0)).double()
        covariance = (rows.T @ rows + kappa * prior) / (25 + kappa)
        normal = multivariate_normal(z[y == c].double().mean(0).numpy(), covariance.numpy())
        expected = expected + 0.5 * normal.pdf(x.numpy())
    found = gaussian_log_density(x, z, y, 2, strength=kappa)
    torch.testing.assert_close(found.exp(), torch.as_tensor(expected), rtol=1e-4, atol=0)


@pytest.mark.parametrize("kind", ["one sample", "one each", "duplicates", "missing class", "dead unit"])
def test_degenerate_classes_have_a_density(kind: str) -> None:
    rng = torch.Generator().manual_seed(1)
    z = torch.randn(6, 4, generator=rng)
    y = torch.tensor([0, 0, 0, 1, 1, 2])
    if kind == "one sample":
        z, y = z[:1], y[:1]
    elif kind == "one each":
        z, y = z[[0, 3, 5]], y[[0, 3, 5]]
    elif kind == "duplicates":
        z = z[[0, 0, 0, 3, 3, 5]]
    elif kind == "missing class":
        z, y = z[[0, 1, 2, 5]], y[[0, 1, 2, 5]]
    else:
        z[:, 2] = 0
    near, far = z[:1] + 0.01, z[:1] + 100.0
    density = gaussian_log_density(torch.cat([near, far]), z, y, 3)
    assert torch.isfinite(density).all()
    assert density[0] > density[1] + 1.0


def test_far_away_points_come_first() -> None:
    rng = torch.Generator().manual_seed(2)
    inputs = torch.randn(200, 2, generator=rng)
    targets = (inputs[:, 0] > 0).long()
    far = torch.zeros(200, dtype=torch.bool)
    far[150:170] = True
    inputs[far] = inputs[far] * 0.3 + torch.tensor([12.0, 12.0])
    task = planted_task(inputs, targets, torch.arange(60))
    strategy = DDU()
    net = train_with_hook(task, None).net
    selection = strategy.query(context(task, strategy, net), 20)
    assert far[selection.ids].all()
    assert selection.log["ddu_log_density"] < selection.log["ddu_log_density_pool"]


def test_entropy_weight_draws_the_query_to_the_boundary() -> None:
    rng = torch.Generator().manual_seed(3)
    inputs = torch.randn(300, 2, generator=rng)
    task = planted_task(inputs, (inputs[:, 0] > 0).long(), torch.arange(60))
    net = train_with_hook(task, None).net
    entropies = [s.query(context(task, s, net), 20).log["ddu_entropy"] for s in (DDU(), DDU(entropy_weight=5.0))]
    assert entropies[1] > 2 * entropies[0]
    assert entropies[1] <= math.log(2)
