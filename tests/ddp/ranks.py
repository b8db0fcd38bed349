"""A check carried out by several processes that form a group over gloo."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as torch_dist

from autoal.distributed import World
from tests.faults import lives


def _rank(check: Callable[[World], None], rank: int, size: int, port: int, errors: Path) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        torch_dist.init_process_group("gloo", rank=rank, world_size=size)
        check(World.join(rank, size, torch.device("cpu")))
    except BaseException:
        errors.with_suffix(f".{rank}").write_text(traceback.format_exc())


def on_ranks(check: Callable[[World], None], size: int, folder: Path) -> None:
    """Let ``size`` processes carry out a function of a module; what one of them raises fails the test."""
    port = lives.free_port()
    processes = [
        lives.SERVER.Process(target=_rank, args=(check, rank, size, port, folder / "error"))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        lives.end(process)
    assert not [path.read_text() for path in folder.glob("error.*")]
