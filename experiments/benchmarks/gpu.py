"""Everything that is to be measured on a GPU, in one call.

    python -m experiments.benchmarks.gpu                    # on the GPU of this machine
    python -m experiments.benchmarks.gpu --device cpu --small    # whether it works, tiny, in a minute

First the tests that need a GPU (``pytest -m gpu``, in a checkout), then the kernels at 50,000 and 1,280,000 rows
with their fraction of the measured bandwidth or matrix-product rate, then ``cifar10_jpeg/resnet18`` in the paper's
budget for random, margin and autoal, with the GPU's utilisation. Writes ``results/gpu_tests.csv``,
``gpu_kernels.csv`` and ``gpu_runs.csv``, each with the card's name.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autoal import kernels
from experiments.benchmarks.crossover import cpu

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUNS = ("random", "margin", "autoal")


def card(device: str) -> str:
    """Return the name of the device."""
    return torch.cuda.get_device_name() if device == "cuda" else cpu()


def seconds(work: Callable[[], object], device: str, repeats: int = 3) -> float:
    """Return the shortest time of some calls, after one that warms up."""
    best = float("inf")
    for _ in range(repeats + 1):
        _settle(device)
        start = time.perf_counter()
        work()
        _settle(device)
        best = min(best, time.perf_counter() - start)
    return best


def _settle(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def limits(device: str, small: bool) -> tuple[float, float]:
    """Return what the device reaches: bytes per second that a sum reads, and float32 operations per second."""
    size = 1 << (20 if small else 28)
    x = torch.ones(size, device=device)
    bandwidth = 4 * size / seconds(x.sum, device)
    n = 512 if small else 8192
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    return bandwidth, 2 * n**3 / seconds(lambda: a @ b, device)


def tests() -> list[dict[str, Any]]:
    """Run the tests that need a GPU; returns the counts of their ends."""
    if not (ROOT / "tests" / "gpu").is_dir():
        return [{"outcome": "not a checkout", "tests": 0}]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "tests/gpu", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-2000:])
    found = re.findall(r"(\d+) (passed|failed|skipped|error)", done.stdout)
    ends = [{"outcome": outcome, "tests": int(count)} for count, outcome in found]
    return ends or [{"outcome": "none", "tests": 0}]


def kernel_rows(device: str, small: bool) -> list[dict[str, Any]]:
    """Measure k-center, BADGE and herding."""
    bandwidth, rate = limits(device, small)
    rows = []
    sizes = (2_000,) if small else (50_000, 1_280_000)
    width, picks = (32, 10) if small else (512, 1000)
    for n in sizes:
        rng = torch.Generator().manual_seed(0)
        x = torch.randn(n, width, generator=rng).relu_().to(device)
        logits = torch.randn(n, 10, generator=rng).to(device)
        for name, work in _kernels(x, logits, picks).items():
            log: dict[str, float] = {}

            def run(work: Callable[[], Any] = work, log: dict[str, float] = log) -> None:
                log.update(work().log)

            spent = seconds(run, device, 1)
            passes = log.get("passes")
            row = {"kernel": name, "rows": n, "width": width, "picks": picks, "seconds": round(spent, 4)}
            row["passes"] = passes if passes is not None else ""
            # Every pass reads the features once, and multiplies them with one vector for each pick.
            read = (passes or picks) * x.nbytes / spent
            row["of_bandwidth"] = round(read / bandwidth, 4)
            row["of_products"] = round(2 * n * width * picks / spent / rate, 4)
            row |= {"bandwidth_gb_s": round(bandwidth / 1e9, 1), "products_tflop_s": round(rate / 1e12, 3)}
            rows.append(row)
            print("{kernel:<8} {rows:>9} rows {seconds:9.3f} s, {of_bandwidth:.1%} of bandwidth".format(**row))
    return rows


def _kernels(x: Tensor, logits: Tensor, picks: int) -> dict[str, Callable[[], Any]]:
    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    targets = min(len(x), 50_000)
    return {
        "kcenter": lambda: kernels.kcenter(x, picks),
        "badge": lambda: kernels.badge(logits, x, picks, seeded()),
        "herding": lambda: kernels.herding(x, picks, targets=targets, generator=seeded()),
    }


class Utilisation:
    """Mean utilisation and largest memory of the GPU while a block runs; nothing without ``nvidia-smi``."""

    def __enter__(self) -> Utilisation:
        self.percent: list[float] = []
        self.mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
        while not self._over.wait(1.0):
            try:
                said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
            except (OSError, subprocess.SubprocessError):
                return
            percent, mib = (float(v) for v in said.splitlines()[0].split(","))
            self.percent.append(percent)
            self.mib = max(self.mib, mib)

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()


def run_rows(device: str, small: bool, options: Sequence[str]) -> list[dict[str, Any]]:
    """Run whole experiments, and say how long they take and how busy the GPU is."""
    rows = []
    tiny = ("trainer=cpu", "loop.n_init=20", "loop.n_rounds=1", "loop.epochs=1", "loop.n_query=10")
    real = ("+experiment=cifar10_jpeg/resnet18", "trainer=gpu")
    for strategy in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            run_dir = Path(folder) / "run"
            words = [f"strategy={strategy}", f"paths.run_dir={run_dir}", *(tiny if small else real), *options]
            with Utilisation() as used:
                done = subprocess.run([sys.executable, "-m", "autoal", "train", *words], check=False)
            if done.returncode:
                raise SystemExit(f"error: the run of {strategy} ended with status {done.returncode}")
            summary = json.loads((run_dir / "summary.json").read_text(encoding="utf-8"))
            with (run_dir / "rounds.csv").open(encoding="utf-8", newline="") as file:
                rounds = list(csv.DictReader(file))
        row = {"run": "digits/mlp" if small else "cifar10_jpeg/resnet18", "strategy": strategy}
        row |= {key: summary[key] for key in ("seconds", "final_acc", "aubc", "precision")}
        for part in ("train", "pool", "search", "select"):
            row[f"seconds_{part}"] = round(sum(float(r[f"seconds_{part}"] or 0) for r in rounds), 3)
        row["utilisation"] = round(sum(used.percent) / len(used.percent), 1) if used.percent else ""
        rows.append({**row, "memory_mib": used.mib or ""})
    return rows


def write(path: Path, rows: Sequence[dict[str, Any]], device: str) -> None:
    """Write a table, with where and when it was measured."""
    common = {
        "device": card(device), "threads": torch.get_num_threads(), "torch": metadata.version("torch"),
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=[*rows[0], *common], lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | common for row in rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Test, measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that it works")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("options", nargs="*", help="further overrides of the runs, e.g. paths.data_dir=DIR")
    args = parser.parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("error: torch finds no GPU here; try --device cpu --small")
    if args.device == "cpu" and not args.small:
        raise SystemExit("error: --device cpu is for --small only; the full sizes are for a GPU")
    write(args.out / "gpu_tests.csv", tests(), args.device)
    write(args.out / "gpu_kernels.csv", kernel_rows(args.device, args.small), args.device)
    write(args.out / "gpu_runs.csv", run_rows(args.device, args.small, args.options), args.device)


if __name__ == "__main__":
    main()
