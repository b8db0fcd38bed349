"""Let every strategy buy one batch of a small problem in the plane, for the pictures of the site.

python -m docs.generate.pictures                  # every strategy that is not in picks.json yet
python -m docs.generate.pictures badge my_rule    # these, again
python -m docs.generate.pictures --all            # every strategy, again (about ten minutes on one core)

The result, ``docs/generate/picks.json``, is committed: the site is built from it and trains nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir

from autoal.commands.listing import known_strategies
from autoal.config.command_line import conf_dir
from autoal.errors import unknown_name
from autoal.files import atomic_open
from autoal.logs import quiet
from autoal.run.experiment import Experiment
from autoal.rundir.directory import COLUMNS

PICKS = Path(__file__).with_name("picks.json")
SIZES = (90, 90, 60, 20)
"""Samples of the four groups; the last one is small and far away."""
LOOP = (
    *("loop.n_init=12", "loop.n_query=12", "loop.n_rounds=1", "loop.epochs=60", "loop.stop_train_acc=null"),
    *("loop.batch_size=12", "backbone=mlp", "backbone.hidden=[32]", "trainer=cpu", "logger=[csv]", "seed=4"),
)
CHEAP = {
    "vaal": ("strategy.width=4", "strategy.max_steps=100"),
}
"""Options that change how long a strategy takes here and not what it does."""


def problem() -> pd.DataFrame:
    """Return three overlapping groups in the plane and a small distant one, of three classes, with a test set."""
    rng = np.random.Generator(np.random.PCG64(7))
    centres = np.array([[-1.6, 0.0], [1.2, 0.9], [0.6, -1.9], [3.4, 2.6]])
    spread = np.array([[0.9, 0.7], [0.8, 0.7], [0.8, 0.5], [0.25, 0.25]])
    parts = []
    for group, size in enumerate(SIZES):
        points = centres[group] + spread[group] * rng.standard_normal((2 * size, 2))
        split = ["train"] * size + ["test"] * size
        parts.append(pd.DataFrame({"x": points[:, 0], "y": points[:, 1], "target": "abcb"[group], "split": split}))
    return pd.concat(parts).round(3)


def buy(strategy: str, table: Path, run_dir: Path) -> dict[str, Any]:
    """Run one strategy for a round; returns its picks in order, its initial set and the columns of its own."""
    overrides = ["dataset=table", f"dataset.path={table}", f"strategy={strategy}", *LOOP, *CHEAP.get(strategy, ())]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("train", overrides=overrides)
    Experiment.build(config, run_dir, overrides).run()
    bought = [json.loads(line) for line in (run_dir / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    first = min(row["round"] for row in bought)
    rounds = pd.read_csv(run_dir / "rounds.csv").dropna(axis=1, how="all")
    return {
        "initial": sorted(row["id"] for row in bought if row["round"] == first),
        "picks": [row["id"] for row in bought if row["round"] != first],
        "columns": sorted(set(map(str, rounds.columns)) - set(COLUMNS)),
    }


def main() -> None:
    """Fill ``picks.json``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("strategies", nargs="*", help="default: those that are missing")
    parser.add_argument("--all", action="store_true", help="every strategy, again")
    args = parser.parse_args()
    quiet()
    table = problem()
    train = table[table.split == "train"]
    points = [[float(x), float(y), "abc".index(c)] for x, y, c in zip(train.x, train.y, train.target, strict=True)]
    known = [row["name"] for row in known_strategies()]
    old = json.loads(PICKS.read_text(encoding="utf-8")) if PICKS.exists() else {"strategies": {}}
    kept = {name: value for name, value in old["strategies"].items() if name in known}
    for name in args.strategies:
        if name not in known:
            sys.exit(f"error: {unknown_name('strategy', name, known)}")
    wanted = known if args.all else args.strategies or [name for name in known if name not in kept]
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "plane.csv"
        table.to_csv(file, index=False)
        for name in wanted:
            with contextlib.redirect_stdout(io.StringIO()):
                kept[name] = buy(name, file, Path(scratch) / name)
            write(points, kept)
            print(name, kept[name]["picks"], flush=True)


def write(points: list[list[float]], kept: dict[str, Any]) -> None:
    """Write the file, one line per strategy."""
    lines = [f"{json.dumps(name)}: {json.dumps(kept[name])}" for name in sorted(kept)]
    text = f'{{"points": {json.dumps(points)},\n"strategies": {{\n' + ",\n".join(lines) + "\n}}\n"
    with atomic_open(PICKS) as out:
        out.write(text)


if __name__ == "__main__":
    main()
