"""``autoal suggest``: which images to label next, from a partly labelled folder or manifest; nothing is kept."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", type=Path, help="a CSV file path,label, or a folder: train/<class>/, unlabelled/")
    parser.add_argument("options", nargs="*", metavar="key=value", help="as of autoal train: backbone=resnet18")
    parser.add_argument("-n", type=int, default=50, help="how many (default: %(default)s)")
    parser.add_argument("--strategy", default="badge", help="default: %(default)s")
    parser.add_argument("--size", type=int, default=64, help="images become so many pixels (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=50, help="training epochs at most (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write them to this CSV file too")


def run(args: argparse.Namespace) -> int:
    """Train once on what is labelled, ask the strategy, and print path, score and predicted class."""
    import contextlib
    import csv
    import tempfile

    from autoal.analysis.tables import plain_text
    from autoal.errors import AutoALError
    from autoal.files import atomic_open
    from autoal.humans.answers import Desk
    from autoal.run.compose import experiment

    folder, manifest = (args.data, None) if args.data.is_dir() else (args.data.parent, args.data.name)
    if not args.data.exists():
        raise AutoALError(f"no {args.data}")
    if args.n < 1:
        raise AutoALError(f"-n {args.n} is not a positive number")
    words = [f"dataset.manifest='{manifest}'"] if manifest is not None else []
    with tempfile.TemporaryDirectory(prefix="autoal-suggest-") as scratch, contextlib.redirect_stdout(sys.stderr):
        composed = experiment(
            run_dir=Path(scratch) / "run",
            dataset={"name": "image_folder", "path": str(folder.absolute()), "size": args.size},
            strategy=args.strategy,
            backbone="small_cnn",
            loop={"init": "labelled", "n_query": args.n, "n_rounds": 1, "epochs": args.epochs},
            oracle={"name": "human", "spare": 0.0},
            logger=[],
            overrides=[*words, *args.options],
        )
        composed.run()
        queries = Desk(Path(scratch) / "run").queries()
    if not queries:
        raise AutoALError("the run has asked nothing")
    asked = queries[-1].items
    header = ("path", "score", "predicted", "probability")
    table = [(a.id, a.score, a.suggestion, a.prob) for a in asked]
    for path, score, label, prob in table:
        print(f"{path}\t{_number(score)}\t{label}\t{_number(prob)}")
    if args.out is not None:
        with atomic_open(args.out) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([plain_text(p), _number(s), plain_text(c or ""), _number(q)] for p, s, c, q in table)
    return 0


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
