"""Each process takes the steps of a small network by itself, those of a large one are shared: the same network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal.distributed import World
from autoal.models.build import ClassifierFactory
from autoal.testing.tiny import tiny_task
from autoal.training import sharing
from tests.ddp.ranks import on_ranks


def _trained(world: World, ids: torch.Tensor) -> list[torch.Tensor]:
    task = tiny_task()
    task.data.world, task.dtype = world, torch.float64
    # Without batch norm, which sees only the share of its process.
    mlp = {"_target_": "autoal.models.mlp.MLP", "name": "mlp", "hidden": [8], "dropout": 0.5}
    task.factory = ClassifierFactory(mlp, task.data.dataset.info)
    net = task.initial_net()
    task.fit(net, ids, task.data.pool.labels(ids), ("other", 0))
    return [parameter.detach() for parameter in net.parameters()]


def _alone(world: World) -> None:
    for one, mine in zip(_trained(World(), torch.arange(11)), _trained(world, torch.arange(11)), strict=True):
        assert torch.equal(one, mine), "bit for bit what one process trains"


def _shared(world: World) -> None:
    sharing.STEP_FLOPS = 0.0
    for one, mine in zip(_trained(World(), torch.arange(11)), _trained(world, torch.arange(11)), strict=True):
        torch.testing.assert_close(one, mine, rtol=1e-6, atol=1e-8)
        (other,) = world.sum(mine[None]) - mine
        assert torch.equal(other, mine), "the same on both processes"


@pytest.mark.ddp
@pytest.mark.parametrize("check", [_alone, _shared])
def test_both_ways_train_the_same_network(check: object, tmp_path: Path) -> None:
    assert callable(check)
    on_ranks(check, 2, tmp_path)


def test_small_and_large_networks() -> None:
    small, large = torch.nn.Linear(64, 64), torch.nn.Conv2d(3, 256, 5, padding=2)
    assert sharing.step_flops(large, (3, 8, 8), 2) == 2 * 2 * 256 * 75 * 64
    both = World(0, 2)
    assert sharing.sharers(small, (64,), 128, both) == World()
    assert sharing.sharers(large, (3, 64, 64), 128, both) is both
    assert sharing.sharers(large, (3, 64, 64), 128, World()) == World()
