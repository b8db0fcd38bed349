"""ActiveFT: its gradient is that of its loss, and the batch follows the pool."""

import importlib
import math

import numpy as np
import pytest
import torch

from autoal.distributed import World
from autoal.errors import AutoALError
from autoal.kernels import activeft
from autoal.kernels.rows import Rows

from .coverage_oracles import plain_activeft, unit
from .test_herding import clusters

_loss_and_gradient = importlib.import_module("autoal.kernels.activeft")._loss_and_gradient


@pytest.mark.parametrize("balance", [1.0, 0.3, 0.0])
def test_loss_and_gradient_against_autograd(balance):
    x, labelled = clusters(80, 5), clusters(3, 5, seed=1)
    z, fixed = torch.tensor(unit(x)), torch.tensor(unit(labelled))
    points = torch.tensor(unit(clusters(6, 5, seed=2)), requires_grad=True)
    every = torch.cat([points, fixed])
    s, k = (z @ every.T / 0.07).max(1)
    crowd = balance * (every @ every.detach().T / 0.07).exp().sum(1)[k]
    loss = -(s.exp() / (s.exp() + crowd)).log().mean()
    loss.backward()
    got, gradient = _loss_and_gradient(Rows(x, 80, World(), True), points.detach(), fixed, 0.07, balance)
    assert got == pytest.approx(loss.item())
    torch.testing.assert_close(gradient, points.grad)


def test_plain_optimisation_gives_the_same_picks():
    x = clusters(150, 6)
    z = torch.tensor(unit(x))
    picks = activeft(x, 8, torch.Generator().manual_seed(0), steps=30, lr=0.01)
    cosine, want = plain_activeft(z, z[:0], 8, torch.Generator().manual_seed(0), steps=30, lr=0.01)
    assert picks.index.tolist() == want
    np.testing.assert_allclose(picks.score, [cosine[i, j] for i, j in enumerate(want)])


def test_steps_lower_the_loss_and_labelled_samples_repel():
    x = clusters(300, 6, groups=6, spread=0.2)
    losses = [activeft(x, 6, torch.Generator().manual_seed(1), steps=s, lr=0.02).log["loss"] for s in (0, 20, 100)]
    assert losses[0] > losses[1] > losses[2]
    around = clusters(300, 6, groups=1, spread=0.05)
    both = torch.cat([around, -around[:60]])
    rng = torch.Generator().manual_seed(1)
    picks = activeft(both, 1, rng, labelled=around[:5], steps=200, lr=0.05)
    assert math.isfinite(picks.log["loss"])


def test_errors():
    with pytest.raises(AutoALError, match="temperature=0"):
        activeft(torch.ones(3, 2), 1, torch.Generator(), temperature=0.0)
