"""What do the strategies' query batches look like? From the ledgers of finished runs, nothing is trained.

python -m experiments.baselines_study.batches --runs runs/studies/small --data-dir data

For each query batch: the number of classes in it; the mean distance of a sample to its nearest neighbour in the
batch, over that of a random batch of the same size (below 1: the samples resemble each other); and the mean
distance to the nearest labelled sample, over that of random samples (above 1: far from what is labelled).
Distances are Euclidean, between plain images.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from autoal.data.base import Dataset
from autoal.data.digits import Digits
from autoal.data.mnist import IdxImages
from autoal.files import atomic_open
from autoal.run.study import Setting
from autoal.rundir.state import is_finished
from experiments import tables
from experiments.small import DIGITS, MNIST

HERE = Path(__file__).resolve().parent

STRATEGIES = (
    *("random", "margin", "badge", "kcenter", "kmeans", "coregcn"),
    *("loss_prediction", "uncertaingcn", "vaal", "waal", "ddu"),
)
COLUMNS = ("strategy", "seed", "classes", "within_batch", "to_labelled")
SAMPLE = 1000
"""Random samples of the pool to which distances are compared."""


def nearest(a: Tensor, b: Tensor | None = None) -> float:
    """Return the mean distance of rows to the nearest row of ``b``, or to the nearest other row."""
    distance = torch.cdist(a, a if b is None else b)
    if b is None:
        distance.fill_diagonal_(torch.inf)
    return float(distance.min(1).values.mean())


def measure(ledger: Path, x: Tensor, y: Tensor, generator: torch.Generator) -> dict[str, float]:
    """Return the three numbers, averaged over a run's query batches."""
    bought: dict[int, list[int]] = {}
    for line in ledger.read_text(encoding="utf-8").splitlines():
        purchase = json.loads(line)
        bought.setdefault(int(purchase["round"]), []).append(int(purchase["id"]))
    known = torch.tensor(bought.pop(0))
    found = []
    for _, ids in sorted(bought.items()):
        batch = torch.tensor(ids)
        pool = torch.ones(len(y), dtype=torch.bool)
        pool[known] = False
        others = pool.nonzero().squeeze(1)
        others = others[torch.randperm(len(others), generator=generator)[:SAMPLE]]
        random = [nearest(x[part]) for part in others.split(len(batch)) if len(part) == len(batch)]
        found.append(
            (
                float(len(y[batch].unique())),
                nearest(x[batch]) / (sum(random) / len(random)),
                nearest(x[batch], x[known]) / nearest(x[others], x[known]),
            )
        )
        known = torch.cat([known, batch])
    return dict(zip(COLUMNS[2:], torch.tensor(found).mean(0).tolist(), strict=True))


def arguments(doc: str) -> argparse.Namespace:
    """Return where the command line says that runs and data are."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs") / "studies" / "small", help="run directories")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="root of MNIST's files")
    return parser.parse_args()


def write(study: Path, setting: Setting, dataset: Dataset, names: Sequence[str], args: argparse.Namespace) -> None:
    """Measure the finished runs of some strategies that there are and write a study's ``batches_*.csv``.

    Rows of other runs, whose ledgers are elsewhere, stay.
    """
    found = [
        (name, seed, run / "ledger.jsonl")
        for name in names
        for seed in setting.seeds
        if is_finished(run := args.runs / setting.name / name / f"seed={seed}")
    ]
    if not found:
        return
    split = dataset.load(args.data_dir)["train"]
    x = split.source.fetch(torch.arange(len(split.targets))).float().flatten(1)
    generator = torch.Generator().manual_seed(0)
    path = study / "results" / f"batches_{setting.name}.csv"
    rows = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = {(row["strategy"], int(row["seed"])): row for row in csv.DictReader(file)}
    for name, seed, ledger in found:
        numbers = measure(ledger, x, split.targets, generator)
        row = {"strategy": name, "seed": str(seed)} | {k: f"{v:.4f}" for k, v in numbers.items()}
        rows[name, seed] = row
    with atomic_open(path) as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))


def main() -> None:
    """Measure every run there is, write the results and rewrite the README's tables."""
    args = arguments(__doc__ or "")
    write(HERE, DIGITS, Digits(), STRATEGIES, args)
    write(HERE, MNIST, IdxImages("mnist"), STRATEGIES, args)
    tables.main([HERE.name])


if __name__ == "__main__":
    main()
