"""A search gives the same weights and picks on one, two and three processes.

Networks are in float64: ranks add gradients in another order, and in float32 hundreds of steps make that visible.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from autoal.data.datamodule import ActiveLearningDataModule
from autoal.distributed import World
from autoal.models.build import ClassifierFactory
from autoal.query.registry import build
from autoal.testing.tiny import BACKBONE, OPTIMIZER, TinyImages, tiny_context
from autoal.training.optim import OptimizerRecipe
from autoal.training.task import Task

MLP = {"_target_": "autoal.models.mlp.MLP", "name": "mlp", "hidden": [16, 12], "dropout": 0.5}
SEARCHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "global": (MLP, {"name": "autoal_search"}),
    "herding": (MLP, {"name": "autoal", "weights": "global", "query_targets": 20}),
    "sample": (MLP, {"name": "autoal_search", "weights": "sample", "batch_size": 5}),
    "paper": (MLP, {"name": "autoal_paper", "warmup_steps": 20, "steps": 60, "batch_size": 5}),
    "frozen": (MLP, {"name": "autoal_paper", "features": "frozen", "warmup_steps": 20, "steps": 60}),
    # Batch norm: every rank sees whole batches.
    "norm": (BACKBONE, {"name": "autoal_paper", "warmup_steps": 20, "steps": 60, "batch_size": 5}),
}


def search(rank: int, size: int, folder: str) -> None:
    """Query with every search and write what came out, from each rank."""
    torch.set_num_threads(1)
    if size > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
    found = {}
    for name, (backbone, options) in SEARCHES.items():
        data = ActiveLearningDataModule(TinyImages(), Path(), batch_size=8, eval_batch_size=16)
        data.setup()
        task = Task(
            ClassifierFactory(backbone, data.dataset.info),
            OptimizerRecipe(OPTIMIZER, 2),
            data,
            0,
            2,
            0.99,
            dtype=torch.float64,
        )
        ids = torch.arange(23)
        data.pool.add(ids, data.oracle.buy(ids))
        net = task.initial_net()
        if backbone is MLP:
            task.fit(net, ids, data.pool.labels(ids), ("task", 0))
        data.world = World(rank, size)
        strategy = build(options)
        selection = strategy.query(tiny_context(task, strategy, net), 7)
        found[name] = selection.ids.tolist(), selection.log
    torch.save(found, f"{folder}/{size}-{rank}.pt")
    if size > 1:
        dist.destroy_process_group()


@pytest.mark.ddp
@pytest.mark.slow
def test_one_two_and_three_ranks_agree(tmp_path: Path) -> None:
    for size in (1, 2, 3):
        (tmp_path / str(size)).mkdir()
        if size == 1:
            search(0, 1, str(tmp_path / "1"))
        else:
            mp.start_processes(search, (size, str(tmp_path / str(size))), size, start_method="spawn")
    alone = torch.load(tmp_path / "1" / "1-0.pt", weights_only=True)
    for size, rank in ((2, 0), (2, 1), (3, 0), (3, 2)):
        found = torch.load(tmp_path / str(size) / f"{size}-{rank}.pt", weights_only=True)
        for name, (ids, log) in alone.items():
            # Sums over ranks round differently, which may swap two picks of all but equal score.
            assert sorted(found[name][0]) == sorted(ids), (size, rank, name)
            assert found[name][1] == pytest.approx(log, rel=1e-2, abs=1e-3), (size, rank, name)
