"""Two processes with one thread each against one process with one thread, for the pool pass and for training.

    python -m experiments.benchmarks.ddp [--repeats 3] [--pool 6000]
    python -m experiments.benchmarks.ddp --crossover

Runs whole experiments (k-center, a small CNN on synthetic 32x32 colour images, CPU, gloo) and reads the times of
their rounds. The settings take turns, and the shortest time of each counts. On a machine that others use too,
wall time says little, since two processes that wait for each other wait for the slower one; processor seconds of
rank 0 say what its half of the work costs, communication included. Writes ``results/ddp.csv``.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import socket
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from autoal.data.base import Dataset, DatasetInfo, Split, TensorSource
from autoal.run.machine import machine
from experiments.benchmarks.crossover import crossover

HERE = Path(__file__).resolve().parent
FIELDS = (
    "part", "clock", "processes", "seconds", "speedup", "pool", "repeats", "load", "cores", "machine",
    "torch", "date",
)  # fmt: skip
PARTS = {"train": "training", "pool": "pool pass", "select": "selection (k-center, sharded)"}
CLOCKS = ("wall", "processor")


class Synthetic(Dataset):
    """Random images with random labels."""

    needs_files = False

    def __init__(self, n: int) -> None:
        self.info = DatasetInfo("synthetic", (3, 32, 32), 10, (0.5,) * 3, (0.25,) * 3)
        self._n = n

    def load(self, root: Path) -> dict[str, Split]:
        """Make the splits."""
        rng = torch.Generator().manual_seed(0)
        sizes = {"train": self._n, "test": 200}
        return {
            name: Split(
                TensorSource(torch.randint(0, 256, (n, 3, 32, 32), generator=rng, dtype=torch.uint8)),
                torch.randint(0, 10, (n,), generator=rng),
            )
            for name, n in sizes.items()
        }


def experiment(pool: int, processes: int) -> dict[str, Any]:
    """Return the experiment's config."""
    from autoal.config.root import plain
    from autoal.run.compose import compose_config

    overrides = [
        "backbone=small_cnn", "strategy=kcenter", "trainer=ddp_cpu", f"trainer.devices={processes}",
        "loop.n_init=1024", "loop.n_query=256", "loop.n_rounds=2", "loop.epochs=2", "loop.batch_size=128",
        "loop.eval_batch_size=256", "loop.stop_train_acc=null",
    ]  # fmt: skip
    dataset = {"name": "synthetic", "_target_": "experiments.benchmarks.ddp.Synthetic", "n": pool}
    return {**plain(compose_config(overrides)), "dataset": dataset}


def rank(args: argparse.Namespace) -> None:
    """Run one rank of one experiment."""
    import types

    from autoal.logs import quiet
    from autoal.run.experiment import Experiment

    torch.set_num_threads(1)
    if args.clock == "processor":
        from autoal.loop import callback

        clocks = types.SimpleNamespace(perf_counter=time.process_time, monotonic=time.monotonic)
        callback.time = clocks  # type: ignore[attr-defined]
    quiet()
    Experiment.build(experiment(args.pool, args.processes), args.run_dir, trust=["experiments.benchmarks"]).run()


def measure(pool: int, processes: int, clock: str, run_dir: Path) -> dict[str, float]:
    """Run one experiment; return the seconds of its second round (the first one warms up)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = []
    for r in range(processes):
        env = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        env |= {"WORLD_SIZE": str(processes), "NODE_RANK": "0", "LOCAL_RANK": str(r)}
        home = run_dir if r == 0 else run_dir.with_name(f"{run_dir.name}.{r}")
        options = ("--pool", pool, "--processes", processes, "--clock", clock, "--run-dir", home)
        command = [sys.executable, "-m", "experiments.benchmarks.ddp", *map(str, options)]
        children.append(subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL))
    codes = [child.wait() for child in children]
    if any(codes):
        raise SystemExit("error: a rank failed")
    with (run_dir / "rounds.csv").open(encoding="utf-8") as file:
        row = list(csv.DictReader(file))[1]
    return {part: float(row[f"seconds_{part}"]) for part in ("train", "pool", "select")}


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pool", type=int, default=6000)
    parser.add_argument("--crossover", action="store_true", help="from which size on sharing a query pays")
    parser.add_argument("--clock", default="wall", help=argparse.SUPPRESS)
    parser.add_argument("--processes", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--run-dir", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run_dir is not None:
        rank(args)
        return
    if args.crossover:
        crossover(args.repeats)
        return
    best: dict[tuple[str, str, int], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(args.repeats):
            for clock in CLOCKS:
                for processes in (1, 2):
                    run_dir = Path(folder) / f"{repeat}-{clock}-{processes}"
                    for part, value in measure(args.pool, processes, clock, run_dir).items():
                        key = (part, clock, processes)
                        best[key] = min(value, best.get(key, value))
    rows = []
    for part, clock, processes in sorted(best):
        seconds = best[part, clock, processes]
        rows.append(
            {
                "part": PARTS[part],
                "clock": clock,
                "processes": processes,
                "seconds": round(seconds, 4),
                "speedup": round(best[part, clock, 1] / seconds, 2),
                "pool": args.pool,
                "repeats": args.repeats,
                "load": round(os.getloadavg()[1], 1),
                "cores": os.cpu_count(),
                "machine": machine("cpu", 1)["cpu"],
                "torch": metadata.version("torch"),
                "date": datetime.date.today().isoformat(),
            }
        )
        print("{part:<30} {clock:<10} {processes} x 1 thread {seconds:8.3f} s  {speedup:.2f} x".format(**rows[-1]))
    with (HERE / "results" / "ddp.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
