"""k-center against one matrix-vector product per pick, in turns, and what bounds the two.

Both get one thread and the same float32 rows; processor seconds are compared, so that what else the machine does
counts less. The plain algorithm costs the same for each pick and is timed for 40 of them. Beside them stand the
speed at which this processor reads the features (a sum of them all) and multiplies blocks of the kernel's size.

    python -m experiments.benchmarks.kcenter                          # synthetic embeddings
    python -m experiments.benchmarks.kcenter --data-root DIR          # also random features of MNIST
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autoal import kernels
from autoal.kernels.geometry import Points
from autoal.run.machine import machine
from experiments.benchmarks.kernels import DIM, PICKS, plain_kcenter, write_clusters, write_mnist

RESULTS = Path(__file__).parent / "results" / "kcenter.csv"
PLAIN_PICKS = 40
BLOCK, CENTRES = 768, 128
"""A block of rows and the centres of one pass, as the kernel multiplies them."""


def seconds(call: Callable[[], Any]) -> float:
    """Processor seconds of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def products(x: Tensor, n: int) -> float:
    """Part of all pairs of a row and a pick that the kernel multiplies."""
    pairs = len(x)  # the first centre
    nearest_of = Points.nearest_of

    def counted(self: Points, rows: Tensor, centres: Points) -> tuple[Tensor, Tensor]:
        nonlocal pairs
        pairs += rows.numel() * centres.n
        return nearest_of(self, rows, centres)

    Points.nearest_of = counted  # type: ignore[method-assign]
    try:
        kernels.kcenter(x, n)
    finally:
        Points.nearest_of = nearest_of  # type: ignore[method-assign]
    return pairs / (len(x) * n)


def measure(name: str, x: Tensor, repeats: int) -> dict[str, Any]:
    """One row of the table; medians over the repeats, in which everything takes its turn."""
    kernels.kcenter(x[:64], 8)
    right = x[:CENTRES].T.contiguous()
    blocks = [x[i : i + BLOCK] for i in range(0, 40 * BLOCK, BLOCK)]
    ours, plain, read, multiplied = [], [], [], []
    for _ in range(repeats):
        ours.append(seconds(lambda: kernels.kcenter(x, PICKS)))
        few = seconds(lambda: plain_kcenter(x, 2, 0, products=True))
        many = seconds(lambda: plain_kcenter(x, 2 + PLAIN_PICKS, 0, products=True))
        plain.append((many - few) / PLAIN_PICKS * PICKS)
        read.append(x.nbytes / seconds(x.sum) / 1e9)
        work = 2 * BLOCK * DIM * CENTRES * len(blocks)
        multiplied.append(work / seconds(lambda: [block @ right for block in blocks]) / 1e9)
    row = {"ours": ours, "plain": plain, "gb_per_s": read, "gflop_per_s": multiplied}
    medians = {key: round(statistics.median(values), 2) for key, values in row.items()}
    ratios = sorted(p / o for p, o in zip(plain, ours, strict=True))
    return {
        "data": name,
        "rows": len(x),
        "dim": x.shape[1],
        "picks": PICKS,
        **medians,
        "times_slower": round(statistics.median(ratios), 1),
        "lowest": round(ratios[0], 1),
        "highest": round(ratios[-1], 1),
        "products": round(products(x, PICKS), 3),
        "passes": int(kernels.kcenter(x, PICKS).log["passes"]),
        "repeats": repeats,
    }


def main() -> None:
    """Measure and write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, help="folder that holds MNIST's files")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    here = machine("cpu", 1)
    stamp = {k: here[k] for k in ("cpu", "cpu_capability", "threads", "torch")}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        sets: dict[str, Callable[[], Any]] = {"clusters": lambda: write_clusters(path, args.rows, np.float32)}
        if args.data_root is not None:
            sets["mnist"] = lambda: write_mnist(path, args.data_root, args.rows)
        for name, write in sets.items():
            write()
            row = measure(name, torch.from_numpy(np.load(path)), args.repeats)
            rows.append(row | stamp | {"load": round(os.getloadavg()[0], 1), "date": f"{datetime.date.today()}"})
            print(rows[-1], flush=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
