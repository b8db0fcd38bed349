"""Samples that are dealt out to the devices of several processes: the same batches, the same curves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal.data.base import TensorSource
from autoal.data.loader import EvalLoader, TrainLoader
from autoal.data.spread import SpreadSource
from autoal.distributed import World
from tests.ddp.ranks import on_ranks
from tests.faults import lives

N = 23


def _sources(world: World) -> list[tuple[TensorSource, SpreadSource]]:
    rng = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (N, 1, 3, 3), generator=rng, dtype=torch.uint8)
    features = torch.randn(N, 4, generator=rng)
    wholes = [TensorSource(images), TensorSource(features)]
    return [(whole, SpreadSource(whole, world, torch.device("cpu"))) for whole in wholes]


def _check(world: World) -> None:
    for whole, spread in _sources(world):
        assert len(spread._own) == len(world.shard(torch.arange(N))), "a share, not all"
        for n, size in ((N, 4), (world.size * 4 + 1, 4), (1, 4), (7, 1)):
            ids = torch.arange(N).flip(0)[:n]
            targets = torch.arange(n)
            for place in (world, World()):
                here = [list(EvalLoader(s, ids, size, place)) for s in (whole, spread)]
                assert torch.equal(
                    torch.cat([*here[0], whole.inputs[:0]]), torch.cat([*here[1], whole.inputs[:0]])
                )
                orders = [torch.Generator().manual_seed(3) for _ in range(2)]
                both = [
                    TrainLoader(source, ids, targets, size, order, 5, place)
                    for source, order in zip((whole, spread), orders, strict=True)
                ]
                for one, other in zip(*both, strict=True):
                    assert torch.equal(one.inputs, other.inputs)
                    assert torch.equal(one.ids, other.ids)
                    assert torch.equal(one.weights, other.weights)
        if world.rank == 0:
            assert torch.equal(spread.fetch(torch.tensor([5, 0])), whole.fetch(torch.tensor([5, 0])))


@pytest.mark.ddp
@pytest.mark.parametrize("size", [2, 3])
def test_the_same_batches(size: int, tmp_path: Path) -> None:
    on_ranks(_check, size, tmp_path)


@pytest.mark.ddp
@pytest.mark.slow
def test_the_same_curves(tmp_path: Path) -> None:
    options = ("strategy=autoal_equal", "loop.n_rounds=2", "loop.batch_size=7", "trainer.data_on_device_gib=0")
    cfgs = {"read": lives.config(*options), "dealt": lives.config(*options, "trainer.data_share_gib=1")}
    assert lives.live_on_ranks(cfgs, tmp_path, 3) == [0, 0, 0]
    read, dealt = (lives.outcome(tmp_path / name) for name in cfgs)
    assert read["ledger"] == dealt["ledger"]
    assert read["rounds"] == dealt["rounds"]
