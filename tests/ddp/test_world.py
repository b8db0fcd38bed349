"""The collective operations, on 2 and 3 processes."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as torch_dist
from torch import nn

from autoal.distributed import World
from autoal.processes.signals import StopRequest
from tests.faults import lives


def _check(rank: int, size: int) -> None:
    world = World.join(rank, size, torch.device("cpu"))
    for n in (1, 2, 5, 7, 12):  # fewer rows than ranks, and rests of every kind
        rows = torch.arange(2 * n, dtype=torch.float64).reshape(n, 2)
        assert torch.equal(world.gather_rows(world.shard(rows), n), rows)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("autoal.distributed.GATHER_BYTES", 16 * size * 2)  # two rows of each rank at a time
            assert torch.equal(world.gather_rows(world.shard(rows), n), rows)
        total = world.sum(torch.tensor([float(len(world.shard(rows)))]))
        assert total.item() == n, "every row belongs to exactly one rank"
    assert world.largest([rank, -rank]) == [size - 1, 0]
    assert world.broadcast({"rank": rank}) == {"rank": 0}

    layer = nn.Linear(3, 1, bias=False)
    layer.weight.data.fill_(1.0)
    layer.weight.grad = torch.full((1, 3), float(rank))
    world.average_gradients(layer.parameters())
    assert torch.equal(layer.weight.grad, torch.full((1, 3), sum(range(size)) / size))

    norm = nn.BatchNorm1d(2)
    norm(torch.full((4, 2), float(rank)) + torch.arange(8).reshape(4, 2))
    world.sync_buffers(norm)
    expected = nn.BatchNorm1d(2)
    expected(torch.arange(8, dtype=torch.float32).reshape(4, 2))
    assert torch.equal(norm.running_mean, expected.running_mean)  # type: ignore[arg-type]
    assert norm.num_batches_tracked == 1

    _check_stop(world)


def _check_stop(world: World) -> None:
    """A signal of one rank stops all at the same step."""
    from autoal.loop.stopping import StopAgreement

    request = StopRequest()
    agreement = StopAgreement(request)
    agreement.place(world)
    stopped_at = 0
    for step in range(1, 2000):
        if world.rank == world.size - 1 and step == 17:
            request.signum = 15
        if agreement.step_done():
            stopped_at = step
            break
    assert 17 <= stopped_at <= 17 + StopAgreement.MOST_STEPS
    assert world.largest([stopped_at, -stopped_at]) == [stopped_at, -stopped_at]


def _rank(rank: int, size: int, port: int, errors: Path) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        torch_dist.init_process_group("gloo", rank=rank, world_size=size)
        _check(rank, size)
    except BaseException:
        errors.with_suffix(f".{rank}").write_text(traceback.format_exc())


@pytest.mark.ddp
@pytest.mark.parametrize("size", [2, 3])
def test_collectives(size: int, tmp_path: Path) -> None:
    port, errors = lives.free_port(), tmp_path / "error"
    context: Any = lives.SERVER
    processes = [context.Process(target=_rank, args=(r, size, port, errors)) for r in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        lives.end(process)
    assert not [p.read_text() for p in tmp_path.glob("error.*")]


def test_one_process_needs_no_group() -> None:
    world = World()
    rows = torch.arange(5)
    assert torch.equal(world.gather_rows(world.shard(rows), 5), rows)
    assert world.largest([3, 1]) == [3, 1]
    world.sync_buffers(nn.BatchNorm1d(2))
    world.barrier()
