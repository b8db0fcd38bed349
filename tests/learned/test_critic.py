"""The critic measures a Wasserstein distance: its sign, its size and its slope."""

from __future__ import annotations

import torch

from autoal.learned.critic import Critic, critic_step, gap, gradient_penalty
from autoal.training.hooks import seeded


def test_converges_to_the_distance_of_two_clouds() -> None:
    rng = torch.Generator().manual_seed(0)
    critic = seeded(lambda: Critic(2, 32), 1).requires_grad_(False)
    optimizer = torch.optim.Adam(critic.parameters(), lr=3e-3)
    weight = torch.full((64,), 1 / 64)
    gaps = []
    for _ in range(600):
        labelled = torch.randn(64, 2, generator=rng) * 0.3
        unlabelled = torch.randn(64, 2, generator=rng) * 0.3 + torch.tensor([3.0, 4.0])
        mix = torch.rand(64, 1, generator=rng)
        gaps.append(critic_step(critic, optimizer, labelled, unlabelled, mix, weight, 10.0, lambda _: None))
    # Two equal clouds, 5 apart: W1 is 5. The soft penalty lets the slope s exceed 1: 5 s - 10 (s - 1)^2 is
    # largest at s = 1.25, where the gap is 6.25.
    assert 6.05 < torch.stack(gaps[-50:]).mean() < 6.45
    assert all(not p.requires_grad and p.grad is None for p in critic.parameters())


def test_penalty_is_least_at_slope_one_and_not_rewarded() -> None:
    critic = Critic(2, 4)
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(5, 2, generator=rng), torch.randn(5, 2, generator=rng)
    mix, weight = torch.rand(5, 1, generator=rng), torch.full((5,), 0.2)
    with torch.no_grad():
        for layer in critic.layers[:3:2]:  # type: ignore[index]
            layer.weight.zero_()
            layer.bias.fill_(10.0)
        critic.layers[0].weight[0, 0] = 1.0  # type: ignore[index]
        critic.layers[2].weight[0, 0] = 1.0  # type: ignore[index]
        critic.layers[4].weight.zero_()  # type: ignore[union-attr]
        values = {}
        for slope in (0.0, 1.0, 3.0):
            critic.layers[4].weight[0, 0] = slope  # type: ignore[index]
            with torch.enable_grad():
                values[slope] = float(gradient_penalty(critic, a, b, mix, weight))
    assert abs(values[1.0]) < 1e-6
    assert abs(values[0.0] - 1.0) < 1e-5
    assert abs(values[3.0] - 4.0) < 1e-4


def test_gap_is_high_where_unlabelled_samples_are() -> None:
    critic = seeded(lambda: Critic(2), 0)
    a, b = torch.zeros(3, 2), torch.ones(3, 2)
    weight = torch.tensor([0.5, 0.5, 0.0])
    expected = float(critic(b)[0] - critic(a)[0])
    assert abs(float(gap(critic, a, b, weight)) - expected) < 1e-6
