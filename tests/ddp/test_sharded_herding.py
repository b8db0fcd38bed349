"""Sharded herding picks what herding on one process picks, also among equal gains."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as torch_dist

from autoal import kernels
from autoal.distributed import World
from autoal.kernels.herding import sharded_herding
from tests.faults import lives

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


def _rank(rank: int, size: int, port: int, errors: Path) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        torch_dist.init_process_group("gloo", rank=rank, world_size=size)
        _check(World.join(rank, size, torch.device("cpu")))
    except BaseException:
        errors.with_suffix(f".{rank}").write_text(traceback.format_exc())


@pytest.mark.ddp
@pytest.mark.parametrize("size", [2, 4])
def test_sharded_herding(size: int, tmp_path: Path) -> None:
    port, context = lives.free_port(), lives.SERVER
    arguments: Any = [(rank, size, port, tmp_path / "error") for rank in range(size)]
    processes = [context.Process(target=_rank, args=a) for a in arguments]
    for process in processes:
        process.start()
    for process in processes:
        lives.end(process)
    assert not [p.read_text() for p in tmp_path.glob("error.*")]


def test_one_process() -> None:
    _check(World())
