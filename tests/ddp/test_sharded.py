"""The sharded kernels pick what the kernels on one process pick, and no rank holds all rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from autoal import kernels
from autoal.distributed import World
from autoal.kernels.kmeans import kmeans
from autoal.kernels.sharded import sharded_badge, sharded_kcenter, sharded_kmeans
from tests.ddp.ranks import on_ranks

N, D, C = 301, 9, 5


def _data(dtype: torch.dtype, repeated: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(N, D, generator=rng, dtype=torch.float64) + torch.arange(N)[:, None] % 7
    logits = 2 * torch.randn(N, C, generator=rng, dtype=torch.float64)
    if repeated:
        x, logits = x[torch.arange(N) % 100], logits[torch.arange(N) % 100]
    labelled = torch.randn(11, D, generator=rng, dtype=torch.float64)
    return x.to(dtype), logits.to(dtype), labelled.to(dtype)


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def _check(world: World) -> None:
    for dtype, repeated in ((torch.float64, False), (torch.float64, True), (torch.float32, False)):
        x, logits, labelled = _data(dtype, repeated)
        mine, own = world.shard(x), world.shard(logits)
        for start in (labelled, None):
            # A cache smaller than the pool makes several passes.
            whole = kernels.kcenter(x, 40, start, cache_size=16)
            spread = sharded_kcenter(mine, N, 40, world, start, cache_size=16)
            assert torch.equal(spread.index, whole.index), (dtype, repeated)
            assert spread.log["passes"] > 2
            torch.testing.assert_close(spread.score, whole.score)
        whole = kernels.badge(logits, x, 60, _rng())
        spread = sharded_badge(own, mine, N, 60, _rng(), world)
        assert torch.equal(spread.index, whole.index), (dtype, repeated)
        torch.testing.assert_close(spread.score, whole.score)
        whole = kmeans(x, 12, _rng(), max_iter=30)
        spread = sharded_kmeans(mine, N, 12, _rng(), world, max_iter=30)
        assert torch.equal(spread.index, whole.index), (dtype, repeated)
        torch.testing.assert_close(spread.score.double(), whole.score.double())
        assert spread.log["inertia"] == pytest.approx(whole.log["inertia"], rel=1e-5)
    spread = sharded_kcenter(world.shard(torch.zeros(N, D)), N, N, world)
    assert spread.index.sort().values.tolist() == list(range(N)), "equal rows: each exactly once"
    spread = sharded_kmeans(world.shard(torch.zeros(N, D)), N, 5, _rng(), world)
    assert len(spread.index.unique()) == 5


@pytest.mark.ddp
@pytest.mark.parametrize("size", [2, 3])
def test_sharded_kernels(size: int, tmp_path: Path) -> None:
    on_ranks(_check, size, tmp_path)


def test_one_process() -> None:
    _check(World())
