"""``autoal import``: result files of other toolkits as run directories that a report reads."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Args:
        parser: Parser of the subcommand.
    """
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="DeepAL+ *_res.txt, ALFA-Mix *_seed<n>.csv, CSV with strategy,seed,n_labeled,acc, or folders of them",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the run directories")
    parser.add_argument(
        "--format",
        choices=["auto", "deepal", "alfamix", "csv"],
        default="auto",
        help="what the files are (default: told by their names)",
    )
    parser.add_argument("--dataset", default="", help="data-set name, instead of the one in the files")
    parser.add_argument("--backbone", default="", help="backbone name, instead of the one in the files")
    parser.add_argument("--suffix", default="", help="appended to strategy names, e.g. ' (DeepAL+)'")
    parser.add_argument("--n-init", type=int, help="size of the initial set, for ALFA-Mix files without args.json")
    parser.add_argument("--n-query", type=int, help="labels per round, for ALFA-Mix files without args.json")
    parser.add_argument("--percent", action="store_true", help="accuracies of a CSV are percentages")


def run(args: argparse.Namespace) -> int:
    """Read the files, write run directories and list them by setting.

    Args:
        args: Parsed arguments.

    Returns:
        Exit status 0.

    Raises:
        AutoALError: If nothing is found, a file cannot be read, or a directory is taken.
    """
    from collections import Counter

    from autoal.analysis.importing import write_runs
    from autoal.analysis.readers import ReadOptions, read_results

    options = ReadOptions(
        dataset=args.dataset,
        backbone=args.backbone,
        suffix=args.suffix,
        n_init=args.n_init,
        n_query=args.n_query,
        percent=args.percent,
    )
    runs = read_results(args.paths, options, args.format)
    write_runs(runs, args.out)
    for (label, strategy), count in sorted(
        Counter((f"{run.dataset} / {run.backbone}", run.strategy) for run in runs).items()
    ):
        print(f"{label}: {strategy}, {count} run{'s' if count > 1 else ''}")
    for run in runs:
        if not run.complete:
            print(f"{run.source}: ends before its last round; the report will list it as unfinished")
        elif "printed AUBC" in run.message:
            print(f"{run.source}: {run.message}")
    print(f"{args.out}: now run: autoal report {args.out} --out DIR")
    return 0
