"""What training a head on frozen features costs: to its optimum, and by the recipes of mini-batches.

python -m experiments.benchmarks.heads [FEATURES.npz] [--seeds N]

Twenty rounds of ten labels chosen by margin, the same loop and the same initial labels with every optimiser. CPU
seconds of the training phases of this process are compared, so that other programs disturb no side. Without a
file the digits' pixels serve as features.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
import types
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import torch
from hydra import compose, initialize_config_dir

from autoal.logs import quiet
from autoal.loop import callback
from autoal.run.experiment import Experiment
from autoal.rundir.directory import versions

RESULTS = Path(__file__).parent / "results" / "heads.csv"
CONF = Path(__file__).resolve().parents[2] / "conf"
RECIPES = {
    "lbfgs": ("optimizer=lbfgs",),
    "adam, to 99 % training accuracy": (
        "optimizer=adam",
        "loop.epochs=100",
        "loop.stop_train_acc=0.99",
        *("loop.batch_size=16",),
    ),
    "sgd, 200 epochs": ("optimizer=sgd_foundation",),
}


def cell(overrides: list[str], seed: int) -> tuple[float, float, float]:
    """Run one experiment; return CPU seconds of training per round, AUBC and final accuracy."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=[*overrides, f"seed={seed}"])
    with tempfile.TemporaryDirectory() as folder:
        summary = Experiment.build(config, Path(folder) / "run").run()
        rows = pd.read_csv(Path(folder) / "run" / "rounds.csv")
    return float(rows["seconds_train"].mean()), float(summary["aubc"]), float(summary["final_acc"])


def main() -> None:
    """Time each recipe and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("features", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    quiet()
    # Seconds in rounds.csv become CPU seconds of this process.
    callback.time = types.SimpleNamespace(perf_counter=time.process_time, monotonic=time.monotonic)  # type: ignore[assignment]
    data = ["dataset=digits"] if args.features is None else ["dataset=features", f"dataset.path='{args.features}'"]
    name = "digits pixels" if args.features is None else args.features.stem
    common = [*data, "backbone=linear", "backbone.dropout=0", "loop=foundation", "strategy=margin", "trainer=cpu"]
    rows = []
    for recipe, overrides in RECIPES.items():
        found = [cell([*common, *overrides], seed) for seed in range(args.seeds)]
        seconds, area, final = (sum(column) / len(column) for column in zip(*found, strict=True))
        rows.append({"features": name, "recipe": recipe, "seeds": args.seeds, "train_seconds_per_round": seconds})
        rows[-1] |= {"aubc": area, "final_acc": final, "times_lbfgs": seconds / rows[0]["train_seconds_per_round"]}
    stamp = {"threads": torch.get_num_threads(), "torch": versions()["torch"], "date": f"{datetime.now(UTC):%F}"}
    table = pd.DataFrame([{**row, **stamp} for row in rows])
    kept = pd.read_csv(RESULTS).query("features != @name") if RESULTS.exists() else pd.DataFrame()
    pd.concat([kept, table]).to_csv(RESULTS, index=False, float_format="%.4f", quoting=csv.QUOTE_MINIMAL)
    print(table.to_string(index=False, float_format="%.4f"))


if __name__ == "__main__":
    main()
