"""The auto-encoder fits any input size, its bound is that of the textbook, and it learns."""

from __future__ import annotations

import pytest
import torch

from autoal.learned.vae import Discriminator, VAEOutput, make_vae, negative_elbo, sample_noise
from autoal.training.hooks import seeded


@pytest.mark.parametrize(
    "shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28), (3, 17, 40), (2, 1, 5), (2, 3, 2), (64,), (7, 3)]
)
def test_any_input_comes_back_in_its_shape(shape: tuple[int, ...]) -> None:
    vae = seeded(lambda: make_vae(shape, 6, 4), 0)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    out = vae(x, sample_noise(3, 6, torch.Generator().manual_seed(2)))
    assert out.reconstruction.shape == x.shape
    assert out.mean.shape == out.log_variance.shape == out.code.shape == (3, 6)
    negative_elbo(x, out, 1.0).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in vae.parameters())
    # A sample's code does not depend on who shares its batch.
    assert torch.allclose(vae.encode(x[:1])[0], out.mean[:1], atol=1e-5)


def test_bound_against_the_textbook() -> None:
    rng = torch.Generator().manual_seed(0)
    x, back = torch.randn(4, 1, 3, 3, generator=rng), torch.randn(4, 1, 3, 3, generator=rng)
    mean, log_variance = torch.randn(4, 2, generator=rng), torch.randn(4, 2, generator=rng)
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(normal(mean, (0.5 * log_variance).exp()), normal(0.0, 1.0)).sum(1)
    likelihood = normal(back, 1.0).log_prob(x).flatten(1).sum(1)
    constant = normal(0.0, 1.0).log_prob(torch.zeros(())) * 9
    found = negative_elbo(x, VAEOutput(back, mean, log_variance, mean), 0.7)
    torch.testing.assert_close(found, constant - likelihood + 0.7 * kl)


def test_learns_to_reconstruct() -> None:
    vae = seeded(lambda: make_vae((1, 8, 8), 4, 8), 0)
    rng = torch.Generator().manual_seed(0)
    patterns = torch.randn(4, 1, 8, 8, generator=rng)
    optimizer = torch.optim.Adam(vae.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        x = patterns[torch.randint(4, (32,), generator=rng)]
        loss = negative_elbo(x, vae(x, sample_noise(32, 4, rng)), 1.0).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    # It starts at half a nat for each of 64 pixels; telling four patterns apart costs a few nats.
    assert losses[-1] < 12 < 25 < losses[0]


def test_discriminator_gives_one_logit_per_code() -> None:
    assert Discriminator(5)(torch.zeros(3, 5)).shape == (3,)
