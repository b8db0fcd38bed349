"""Memory of a query on several processes: the peak of each, beyond what it had before the query.

    python -m experiments.benchmarks.ranks [--rows 200000] [--width 128] [--classes 10] [--ranks 1 2 4]

Asks strategies about frozen features on 1, 2 and 4 processes of this machine (gloo, one thread each) and reads the
largest resident memory of each process while the pool pass and the selection run. Writes ``results/ranks.csv``.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import datetime
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from experiments.benchmarks.crossover import cpu

if TYPE_CHECKING:
    from autoal.data.datamodule import ActiveLearningDataModule
    from autoal.models.classifier import Classifier

HERE = Path(__file__).resolve().parent
STRATEGIES = ("margin", "kcenter", "badge", "bald")

PICKS = 20
FIELDS = (
    "strategy", "kept", "ranks", "rows", "width", "classes", "features_mib", "peak_mib", "seconds", "threads",
    "cpu", "torch", "date",
)  # fmt: skip


class Peak:
    """The largest resident memory of this process inside a block, beyond that before it, in bytes."""

    def __enter__(self) -> Peak:
        self._before = self.value = _resident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.002):
            self.value = max(self.value, _resident())

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self.value = max(self.value, _resident()) - self._before


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def rank(args: argparse.Namespace) -> None:
    """Ask the strategies on one rank, and write what each needed."""
    import torch.distributed as torch_dist

    from autoal.data.datamodule import ActiveLearningDataModule
    from autoal.distributed import World
    from autoal.models.classifier import Classifier
    from autoal.search.networks import Identity
    from experiments.benchmarks.features import Features

    torch.set_num_threads(1)
    size, place = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    world = World()
    if size > 1:
        torch_dist.init_process_group("gloo")
        world = World.join(place, size, torch.device("cpu"))
    features = Features(args.rows, args.width, args.classes)
    data = ActiveLearningDataModule(features, Path(), spread_from=0 if args.spread else 1 << 60)
    data.setup()
    data.place(torch.device("cpu"), world)
    net = Classifier(Identity(args.width), args.classes, dropout=0.5)
    with torch.no_grad():
        net.head.weight.normal_(generator=torch.Generator().manual_seed(1))
    found = {}
    for name in STRATEGIES:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before counts for nobody
        world.barrier()
        start = time.perf_counter()
        with Peak() as peak:
            ask(name, net, data)
        found[name] = (peak.value, time.perf_counter() - start)
    Path(args.out).with_suffix(f".{place}").write_text(json.dumps(found), encoding="utf-8")
    if size > 1:
        torch_dist.destroy_process_group()


def ask(name: str, net: Classifier, data: ActiveLearningDataModule) -> None:
    """Run the pool pass and let a strategy choose."""
    from autoal.query.contract import QueryContext
    from autoal.query.registry import build
    from autoal.training.inference import Needs, pool_pass

    ids = torch.arange(len(data.split("train")))
    labelled, unlabelled = ids[:100], ids[100:]
    strategy = build(name)
    outputs = pool_pass(net, data, unlabelled, strategy.needs, 1)
    known = pool_pass(net, data, labelled, Needs(embeddings=True), 1)
    targets = data.split("train").targets[labelled]
    n_classes = data.dataset.info.n_classes
    strategy.query(QueryContext(outputs, labelled, targets, n_classes, net, _nothing, labelled=known), PICKS)


def _nothing(ids: torch.Tensor) -> torch.Tensor:
    raise NotImplementedError("no strategy of this table looks at inputs")


def measure(args: argparse.Namespace, ranks: int, spread: bool) -> dict[str, tuple[float, float]]:
    """Return by strategy the largest memory of any rank in MiB, and the time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found"
        sizes = ("--rows", args.rows, "--width", args.width, "--classes", args.classes)
        command = [sys.executable, "-m", "experiments.benchmarks.ranks", *map(str, sizes), "--out", str(out)]
        children = []
        for place in range(ranks):
            env = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            env |= {"WORLD_SIZE": str(ranks), "RANK": str(place)}
            children.append(subprocess.Popen([*command, *(["--spread"] if spread else [])], env=env))
        codes = [child.wait() for child in children]
        if any(codes):
            raise SystemExit("error: a rank failed")
        every = [json.loads(out.with_suffix(f".{r}").read_text(encoding="utf-8")) for r in range(ranks)]
    return {n: (max(e[n][0] for e in every) / 2**20, max(e[n][1] for e in every)) for n in STRATEGIES}


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--results", type=Path, default=HERE / "results" / "ranks.csv")
    parser.add_argument("--out", help=argparse.SUPPRESS)
    parser.add_argument("--spread", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.out is not None:
        rank(args)
        return
    rows: list[dict[str, Any]] = []
    for ranks in args.ranks:
        for spread in (False, True) if ranks > 1 else (False,):
            for name, (peak, seconds) in measure(args, ranks, spread).items():
                rows.append(
                    {
                        "strategy": name,
                        "kept": "a share" if spread else "all",
                        "ranks": ranks,
                        "rows": args.rows,
                        "width": args.width,
                        "classes": args.classes,
                        "features_mib": round(args.rows * args.width * 4 / 2**20),
                        "peak_mib": round(peak),
                        "seconds": round(seconds, 2),
                        "threads": 1,
                        "cpu": cpu(),
                        "torch": metadata.version("torch"),
                        "date": datetime.date.today().isoformat(),
                    }
                )
                line = "{strategy:<10} {ranks} x {kept:<8} peak {peak_mib:>6} MiB  {seconds:.2f} s"
                print(line.format(**rows[-1]), flush=True)
    with args.results.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
