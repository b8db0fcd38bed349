"""Is a strategy behind because of what it buys, or because the test set is not drawn as the pool is?

python -m experiments.foundation_study.two_tests --root RUNS --set trec6 --file data/trec6-minilm.npz

For runs of the study (RUNS is what ``--root`` of ``run`` was), a head is fitted anew (scikit-learn's logistic
regression with the study's objective) to the labels of each round, and measured twice: on the test set and on the
rest of the pool, the samples that no strategy bought on the seed, the same for all. The second is also weighted
to the test set's class shares, so that a difference in classes alone does not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression

from autoal.analysis.curves import aubc
from autoal.files import atomic_open
from autoal.rundir.ledger import Ledger
from autoal.rundir.names import LEDGER
from experiments import tables

RESULTS = Path(__file__).resolve().parent / "results"
L2 = 0.01
PLACES = {"test": "test set", "pool": "rest of the pool", "pool_weighted": "... at the test set's class shares"}
"""Where accuracy is measured, and what the table calls it."""
Rows = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """Standardised features and labels, of the pool and of the test set."""

    x: Rows
    y: Labels
    test_x: Rows
    test_y: Labels

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file of features; columns are standardised by the pool, as the study does it."""
        with np.load(path, allow_pickle=False) as file:
            x, y, test_x, test_y = (file[f"{p}_{k}"] for p in ("train", "test") for k in ("features", "labels"))
        mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
        std[std < 1e-6] = 1.0
        return cls((x - mean) / std, y, (test_x - mean) / std, test_y)

    @property
    def weights(self) -> Rows:
        """How much each sample of the pool counts, so that the classes have the test set's shares."""
        here, there = (
            np.bincount(own, minlength=int(self.y.max()) + 1) / len(own) for own in (self.y, self.test_y)
        )
        return np.asarray((there / np.maximum(here, 1e-12))[self.y], np.float64)


def batches(run: Path) -> Iterator[list[int]]:
    """Yield the ids of all labels after each round."""
    bought = Ledger(run / LEDGER).read(repair=False)
    for number in range(1 + bought[-1].round):
        yield [purchase.id for purchase in bought if purchase.round <= number]


def predictions(x: Rows, y: Labels, *others: Rows) -> list[Labels]:
    """Return the classes that a head fitted to labels gives to others; labels of one class give that one."""
    classes = np.unique(y)
    if len(classes) == 1:
        return [np.full(len(other), classes[0]) for other in others]
    # Of two classes scikit-learn has one row of weights, the difference of the head's two: half the penalty.
    rows = 2 if len(classes) == 2 else 1
    head = LogisticRegression(C=rows / (len(y) * L2), max_iter=1000).fit(x, y)
    return [head.predict(other) for other in others]


def rest_of(data: Data, runs: Sequence[Path]) -> Labels:
    """Return the ids of the pool that none of the runs has bought."""
    return np.setdiff1d(np.arange(len(data.y)), [i for run in runs for i in list(batches(run))[-1]])


def measure(data: Data, run: Path, rest: Labels) -> dict[str, float]:
    """Return the area under a run's curve, by place.

    Args:
        data: What the run was made from.
        run: The run's directory.
        rest: Ids of the pool to measure on, none of them bought by the run.
    """
    weights = data.weights[rest]
    sizes, curves = [], {place: [] for place in PLACES}
    for ids in batches(run):
        test, pool = predictions(data.x[ids], data.y[ids], data.test_x, data.x[rest])
        right = pool == data.y[rest]
        sizes.append(len(ids))
        curves["test"].append(float(np.mean(test == data.test_y)))
        curves["pool"].append(float(right.mean()))
        curves["pool_weighted"].append(float(np.average(right, weights=weights)))
    return {place: aubc(sizes, curve) for place, curve in curves.items()}


def two_tests(study: Path, name: str, first: str) -> str:
    """Tables of one strategy minus each other, by place; paired over seeds.

    Args:
        study: The study's folder.
        name: The set.
        first: The strategy.
    """
    path = study / "results" / "two_tests" / f"{name}.csv"
    if not path.exists():
        return "No results yet."
    frame = pd.read_csv(path)
    by_place = {place: _areas(frame, place) for place in PLACES}
    rows = [
        [f"{first} − {other}", *(tables.points(tables.difference(own, first, other)) for own in by_place.values())]
        for other in by_place["test"]
        if other != first
    ]
    seeds = frame.loc[frame["strategy"] == first, "seed"].nunique()
    return tables.markdown((f"AUBC difference, {seeds} seeds", *PLACES.values()), rows)


def _areas(frame: pd.DataFrame, place: str) -> tables.Values:
    found: tables.Values = {}
    for row in frame.to_dict("records"):
        found.setdefault(str(row["strategy"]), {})[int(row["seed"])] = float(row[place])
    return found


def main() -> None:
    """Measure the finished runs of a set and write ``results/two_tests/SET.csv``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="where the study's runs are")
    parser.add_argument("--set", required=True, help="the set, e.g. trec6")
    parser.add_argument("--file", type=Path, required=True, help="its features")
    args = parser.parse_args()
    runs = sorted(path.parent for path in (args.root / args.set).glob("*/seed=*/summary.json"))
    if not runs:
        parser.error(
            f"{args.root / args.set} holds no finished runs; make study STUDY=foundation_study makes them"
        )
    if not args.file.is_file():
        parser.error(f"--file {args.file} is no file; give the features that the runs were made from")
    data = Data.load(args.file)
    rows: list[dict[str, object]] = []
    for name in sorted({run.name for run in runs}):
        same = [run for run in runs if run.name == name]
        rest = rest_of(data, same)
        for run in same:
            found = measure(data, run, rest)
            rows.append({"strategy": run.parent.name, "seed": int(name.partition("=")[2]), **found})
            print(f"{run.parent.name} {name}: " + ", ".join(f"{p} {100 * found[p]:.2f}" for p in PLACES))
    target = RESULTS / "two_tests" / f"{args.set}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(target) as file:
        file.write(pd.DataFrame(rows).sort_values(["strategy", "seed"]).round(6).to_csv(index=False))


if __name__ == "__main__":
    main()
