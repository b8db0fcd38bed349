"""``autoal export``: the labels of a run as a data set of its own."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="a run directory")
    parser.add_argument(
        "--to",
        choices=("csv", "imagefolder", "coco"),
        default="csv",
        help="csv: a manifest for dataset=image_folder; imagefolder: <split>/<class>/... (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, help="default: labels.csv, labels/ or labels.json in the run directory"
    )
    parser.add_argument("--root", type=Path, help="data directory (default: the run's)")


def run(args: argparse.Namespace) -> int:
    """Write every label, with its part, round and annotators."""
    from autoal.humans.export import export, labels_of
    from autoal.rundir.state import read_config

    config = read_config(args.run)
    labels = labels_of(args.run)
    folder = Path(args.root or config["paths"]["data_dir"])
    folder = folder / Path(str(config["dataset"].get("path") or "")).expanduser()
    default = {"csv": "labels.csv", "imagefolder": "labels", "coco": "labels.json"}[args.to]
    known = config["dataset"].get("class_names") or sorted({one.label for one in labels})
    out = export(labels, args.to, folder, args.out or args.run / default, [str(name) for name in known])
    parts = Counter(one.split for one in labels)
    print(f"{len(labels)} labels ({', '.join(f'{n} {part}' for part, n in sorted(parts.items()))}) in {out}")
    return 0
