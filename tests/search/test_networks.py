from __future__ import annotations

import pytest
import torch

from autoal.models.cnn import SmallCNN
from autoal.search.features import RowsById
from autoal.search.networks import GlobalWeights, SearchNet, head_on_features
from autoal.training.hooks import seeded
from tests.search.world import mlp

PRIOR = torch.tensor([0.5, 0.3, 0.2])


def small_cnn(shape: tuple[int, int, int]) -> SmallCNN:
    return seeded(lambda: SmallCNN(shape, (4, 8), 8), 0)


@pytest.mark.parametrize("mode", ["full", "resnet", "loss_prediction"])
def test_searchnet_starts_near_the_prior(mode: str) -> None:
    net = SearchNet(mlp(0), PRIOR, mode, 0)
    weights = net(torch.randn(20, 6)).logits.softmax(1)
    assert (weights - PRIOR).abs().max() < 0.02


def test_global_weights_start_at_the_prior() -> None:
    out = GlobalWeights(PRIOR).weigh(lambda ids: pytest.fail("no input is needed"), torch.arange(4))
    assert torch.allclose(out.logits.softmax(1), PRIOR.expand(4, -1))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 224, 224)])
def test_searchnet_takes_any_image_size(shape: tuple[int, int, int]) -> None:
    out = SearchNet(small_cnn(shape), PRIOR, "full", 0).eval()(torch.randn(2, *shape))
    assert out.logits.shape == (2, 3)
    assert out.predicted is not None
    assert out.predicted.shape == (2,)
    assert [p.shape for p in out.pooled] == [(2, 4), (2, 8)]


def test_initial_weights_follow_the_seed_and_leave_the_global_state() -> None:
    before = torch.get_rng_state()
    a, b, c = (head_on_features(4, 3, 0.5, seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.get_rng_state(), before)


def test_table_finds_rows_by_id() -> None:
    table = RowsById(torch.tensor([2, 5, 9]), torch.tensor([20.0, 50.0, 90.0]))
    assert table(torch.tensor([9, 2])).tolist() == [90.0, 20.0]
