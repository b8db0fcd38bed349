"""From which size on two processes gain by sharing a query, for ``experiments.benchmarks.ddp --crossover``.

Three tables in ``results/crossover.csv``: BADGE's selection over pool sizes, with all features or a share on each
of two processes; training steps over networks; AutoAL's whole query over pool sizes. "alone" is rank 0 while rank
1 waits, "shared" shares everything, "default" shares only what is large. Processor seconds are those of rank 0,
communication included: on a machine that others use too, wall time says little.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).resolve().parent
FIELDS = (
    "what", "size", "unit", "how", "wall", "processor", "repeats", "threads", "load", "cpu", "torch", "date",
)  # fmt: skip
POOLS = ((4_000, 128), (16_000, 128), (64_000, 128), (256_000, 128), (4_000, 512), (16_000, 512), (64_000, 512))
"""Rows and columns."""

WIDTH, PICKS = 128, 100


def cpu() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


class Table:
    """Times of the two ways, on rank 0.

    Args:
        world: Both processes.
        repeats: The shortest time of so many counts.
    """

    def __init__(self, world: Any, repeats: int) -> None:
        self._world, self._repeats = world, repeats
        self.rows: list[dict[str, Any]] = []

    def add(self, what: str, size: float, unit: str, ways: dict[str, Callable[[], object]]) -> None:
        """Measure one size in several ways; "alone" is rank 0's."""
        best: dict[str, tuple[float, float]] = {}
        for _ in range(self._repeats):
            for how, work in ways.items():
                self._world.barrier()
                wall, processor = time.perf_counter(), time.process_time()
                if how != "alone" or self._world.is_main:
                    work()
                spent = (time.perf_counter() - wall, time.process_time() - processor)
                best[how] = min(best.get(how, spent), spent, key=lambda pair: pair[1])
        for how, (wall, processor) in best.items():
            row = {"what": what, "size": size, "unit": unit, "how": how}
            self.rows.append({**row, "wall": round(wall, 4), "processor": round(processor, 4)})
            if self._world.is_main:
                line = f"{what:<9} {size:>9} {unit:<16} {how:<7} wall {wall:8.3f} s, processor {processor:8.3f} s"
                print(line, flush=True)


def badge(table: Table, world: Any, pools: Sequence[tuple[int, int]]) -> None:
    """Measure BADGE's selection."""
    from autoal import kernels
    from autoal.kernels.sharded import sharded_badge

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    for n, width in pools:
        rng = torch.Generator().manual_seed(0)
        x, logits = torch.randn(n, width, generator=rng).relu_(), torch.randn(n, 10, generator=rng)
        own, mine = world.shard(logits), world.shard(x)
        ways: dict[str, Callable[[], object]] = {
            "alone": partial(kernels.badge, logits, x, PICKS, seeded()),
            "shared": partial(sharded_badge, own, mine, n, PICKS, seeded(), world),
        }
        table.add("badge", round(n * width * 4 / 2**20, 1), f"MiB, {width} wide", ways)


def steps(table: Table, world: Any) -> None:
    """Measure five training steps of a batch of 128."""
    from torch import nn

    from autoal.models.cnn import SmallCNN
    from autoal.training.sharing import step_flops

    def mlp(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(WIDTH, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())

    nets: list[tuple[nn.Module, tuple[int, ...]]] = [(mlp(w), (WIDTH,)) for w in (64, 256, 1024)]
    nets.append((SmallCNN((3, 32, 32)), (3, 32, 32)))
    for net, shape in nets:
        x = torch.randn(128, *shape, generator=torch.Generator().manual_seed(0))

        def work(rows: torch.Tensor, exchange: bool, net: nn.Module = net) -> None:
            for _ in range(5):
                net.zero_grad()
                net(rows).square().mean().backward()
                if exchange:
                    world.average_gradients(net.parameters())

        flops, mine = round(step_flops(net, shape, 128) / 1e9, 3), world.shard(x)
        ways = {"alone": partial(work, x, False), "shared": partial(work, mine, True)}
        table.add("5 steps", flops, "GFLOP a step", ways)


def search(table: Table, world: Any, pools: Sequence[int]) -> None:
    """Measure AutoAL's query with a small network on feature vectors."""
    from unittest import mock

    from autoal.data.datamodule import ActiveLearningDataModule
    from autoal.distributed import World
    from autoal.models.build import ClassifierFactory
    from autoal.query.contract import QueryContext
    from autoal.query.registry import build
    from autoal.training import sharing
    from autoal.training.inference import Needs, pool_pass
    from autoal.training.optim import OptimizerRecipe
    from autoal.training.task import Task
    from experiments.benchmarks.features import Features

    def query(task: Task, place: World, least: float) -> None:
        data, strategy, net = task.data, build("autoal_search"), task.initial_net()
        data.world = place
        known = data.pool.labelled
        with mock.patch.object(sharing, "STEP_FLOPS", least):
            context = QueryContext(
                pool_pass(net, data, data.pool.unlabelled, strategy.needs, 1),
                known,
                data.pool.labels(known),
                10,
                net,
                data.split("train").source.fetch,
                labelled=pool_pass(net, data, known, Needs(embeddings=True)),
                task=task,
            )
            strategy.query(context, PICKS)

    for n in pools:
        data = ActiveLearningDataModule(Features(n, WIDTH), Path(), batch_size=64)
        data.setup()
        ids = torch.arange(500)
        data.pool.add(ids, data.oracle.buy(ids))
        mlp = {"_target_": "autoal.models.mlp.MLP", "name": "mlp", "hidden": [128], "dropout": 0.5}
        recipe = OptimizerRecipe({"_target_": "torch.optim.Adam", "lr": 0.001}, 10)
        task = Task(ClassifierFactory(mlp, data.dataset.info), recipe, data, 0, 10, None)
        ways = {
            "alone": partial(query, task, World(), 0.0),
            "shared": partial(query, task, world, 0.0),
            "default": partial(query, task, world, sharing.STEP_FLOPS),
        }
        table.add("autoal_search", round(n * WIDTH * 4 / 2**20, 1), f"MiB, {WIDTH} wide", ways)


def rank(place: int, port: int, repeats: int, small: bool, results: Path) -> None:
    """Measure on one of the two ranks; rank 0 writes the table."""
    import torch.distributed as torch_dist

    from autoal.distributed import World
    from autoal.logs import quiet

    quiet()
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch_dist.init_process_group("gloo", rank=place, world_size=2)
    world = World.join(place, 2, torch.device("cpu"))
    table = Table(world, repeats)
    pools = POOLS[:1] if small else POOLS
    badge(table, world, pools)
    steps(table, world)
    search(table, world, [n for n, _ in pools[:3:2]])
    if world.is_main:
        common = {
            "repeats": repeats, "threads": 1, "load": round(os.getloadavg()[1], 1), "cpu": cpu(),
            "torch": metadata.version("torch"), "date": datetime.date.today().isoformat(),
        }  # fmt: skip
        with results.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row | common for row in table.rows)
    torch_dist.barrier()
    torch_dist.destroy_process_group()


def crossover(repeats: int, small: bool = False, results: Path = HERE / "results" / "crossover.csv") -> None:
    """Measure with two processes of this machine.

    Args:
        repeats: The shortest time of so many counts.
        small: A single tiny size, to see that it works.
        results: The table.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from experiments.benchmarks.crossover import main; main()"
    words = [str(port), str(repeats), str(int(small)), str(results)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    children = [subprocess.Popen([sys.executable, "-c", code, str(r), *words], env=env) for r in (0, 1)]
    codes = [child.wait() for child in children]
    if any(codes):
        raise SystemExit("error: a rank failed")


def main() -> None:
    """Be one rank."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=int)
    parser.add_argument("port", type=int)
    parser.add_argument("repeats", type=int)
    parser.add_argument("small", type=int)
    parser.add_argument("results", type=Path)
    args = parser.parse_args()
    rank(args.place, args.port, args.repeats, bool(args.small), args.results)
