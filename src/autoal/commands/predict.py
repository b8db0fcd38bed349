"""``autoal predict``: classes of other samples, by the last checkpoint of a run."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="a run directory")
    parser.add_argument(
        "data",
        help="a folder of images; an .npy file, or an .npz file with 'features'; a name from 'autoal list "
        "datasets' (its test part); or train, val, test: a part of the run's own data set",
    )
    parser.add_argument("--out", type=Path, default=Path("predictions.csv"), help="default: %(default)s")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="a package whose classes the run's config may name; may be given several times",
    )
    parser.add_argument("--root", type=Path, help="data directory (default: the run's)")


def run(args: argparse.Namespace) -> int:
    """Write one row per sample: its path or number, class, class name, and the probability of every class."""
    import csv

    from autoal.analysis.tables import plain_text
    from autoal.files import atomic_open
    from autoal.run.predict import Predictor

    predictor = Predictor.of(args.run, args.root, args.trust)
    names, source = predictor.samples(args.data)
    classes = predictor.class_names()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with atomic_open(args.out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample", "class", "class_name", *(f"p_{name}" for name in classes)])
        for block in predictor.probabilities(source):
            for row in block.tolist():
                best = row.index(max(row))
                name, label = plain_text(names[done]), plain_text(classes[best])
                writer.writerow([name, best, label, *(f"{p:.6g}" for p in row)])
                done += 1
    print(f"{done:,} predictions in {args.out}")
    return 0
