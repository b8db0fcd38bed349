"""Sharded herding picks what herding on one process picks, also among equal gains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal import kernels
from autoal.distributed import World
from autoal.kernels.herding import sharded_herding
from tests.ddp.ranks import on_ranks

N = 97


def _check(world: World) -> None:
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(N, 5, generator=rng)
    weights = torch.rand(N, generator=rng)
    labelled = torch.randn(4, 5, generator=rng)
    repeated = x[torch.arange(N) % 30]
    for pool, kernel, start in ((x, "rbf", labelled), (repeated, "rbf", None), (repeated, "top_hat", labelled)):
        whole = kernels.herding(pool, 40, start, weights, kernel=kernel, bandwidth=0.6)
        spread = sharded_herding(world.shard(pool), N, 40, world, start, weights, kernel=kernel, bandwidth=0.6)
        assert torch.equal(spread.index, whole.index), kernel
        torch.testing.assert_close(spread.score, whole.score)
        assert spread.log["coverage"] == pytest.approx(whole.log["coverage"])
    whole = kernels.herding(x, 9, targets=50, generator=torch.Generator().manual_seed(5))
    rng = torch.Generator().manual_seed(5)
    spread = sharded_herding(world.shard(x), N, 9, world, targets=50, generator=rng)
    assert torch.equal(spread.index, whole.index)


@pytest.mark.ddp
@pytest.mark.parametrize("size", [2, 4])
def test_sharded_herding(size: int, tmp_path: Path) -> None:
    on_ranks(_check, size, tmp_path)


def test_one_process() -> None:
    _check(World())
