"""What a run of a study on frozen features costs: many in one process, a process each, and by the Adam recipe.

python -m experiments.benchmarks.studies [FEATURES.npz] [--seeds N]

Runs of twenty rounds of ten labels by twelve strategies. CPU seconds are compared: other programs disturb no
side. The last column is what twelve strategies with fifty seeds each would take on two cores. Without a file the
digits' pixels serve as features.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from autoal.rundir.directory import versions

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / "results" / "studies.csv"
STRATEGIES = (
    *("random", "margin", "entropy", "least_confidence", "badge", "diverse_minibatch"),
    *("kmeans", "kcenter", "alfamix", "power", "softmax_batch", "dropquery"),
)
RUNS = 12 * 50
CORES = 2
COMMON = ("backbone=linear", "loop=foundation", "trainer=cpu")
HEAD = ("optimizer=lbfgs",)
ADAM = ("optimizer=adam", "loop.epochs=100", "loop.stop_train_acc=0.99", "loop.batch_size=16")
PEER = "margin"


def in_one_process(data: list[str], seeds: int, folder: Path) -> list[float]:
    """Return the CPU seconds of each run, import and the first reading of the data excluded."""
    from autoal.run.study_cell import CellRunner

    runner = CellRunner()
    runner.run((*COMMON, *HEAD, *data, "strategy=random", "seed=99", "loop.n_rounds=1"), folder / "warm")
    seconds = []
    for seed in range(seeds):
        for strategy in STRATEGIES:
            start = time.process_time()
            words = (*COMMON, *HEAD, *data, f"strategy={strategy}", f"seed={seed}")
            runner.run(words, folder / strategy / str(seed))
            seconds.append(time.process_time() - start)
            print(f"{strategy} seed {seed}: {seconds[-1]:.2f} s of CPU", flush=True)
    return seconds


def in_own_process(data: list[str], recipe: tuple[str, ...], seed: int, folder: Path) -> float:
    """Return the CPU seconds of a run that is started by itself."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    words = [*COMMON, *recipe, *data, f"strategy={PEER}", f"seed={seed}", f"paths.run_dir={folder}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "train.py"), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return used() - before


def main() -> None:
    """Time each way and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("features", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    data = ["dataset=digits"]
    if args.features is not None:
        data = ["dataset=features", f"dataset.path={args.features.absolute()}"]
    name = "digits pixels" if args.features is None else args.features.stem
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ways = {f"in one process, {len(STRATEGIES)} strategies": in_one_process(data, args.seeds, folder)}
        for way, recipe in {"lbfgs": HEAD, "adam": ADAM}.items():
            ways[f"a process each, {PEER}, {way}"] = [
                in_own_process(data, recipe, seed, folder / f"{way}-{seed}") for seed in range(args.seeds)
            ]
    stamp = {"threads": os.environ.get("OMP_NUM_THREADS", ""), "torch": versions()["torch"]}
    rows = []
    for way, seconds in ways.items():
        mean = sum(seconds) / len(seconds)
        minutes = mean * RUNS / CORES / 60
        rows.append({"features": name, "way": way, "runs": len(seconds), "cpu_seconds_per_run": mean})
        rows[-1] |= {"minutes_for_600_on_two_cores": minutes, **stamp, "date": f"{datetime.now(UTC):%F}"}
    table = pd.DataFrame(rows)
    kept = pd.read_csv(RESULTS).query("features != @name") if RESULTS.exists() else pd.DataFrame()
    pd.concat([kept, table]).to_csv(RESULTS, index=False, float_format="%.2f")
    print(table.to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
