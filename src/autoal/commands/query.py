"""``autoal query``: write what a run asks as a file for another tool."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="a run directory with oracle=human")
    parser.add_argument(
        "--to",
        choices=("jsonl", "csv", "imagefolder"),
        default="csv",
        help="csv: a sheet to fill in; imagefolder: the images and a metadata.csv (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, help="file or folder (default: in queries/ of the run directory)")
    parser.add_argument("--root", type=Path, help="data directory (default: the run's)")


def run(args: argparse.Namespace) -> int:
    """Write the open query; status 75 if there is none."""
    from autoal.humans.place import Place, progress_line
    from autoal.humans.sheets import write_query
    from autoal.humans.status import EXIT_UNANSWERED

    place = Place.of(args.run, args.root)
    standing = place.open_query()
    if standing is None:
        print(f"{args.run} asks nothing now")
        return EXIT_UNANSWERED
    path = write_query(place, standing, args.to, args.out)
    print(f"{progress_line(standing)}\n{standing.missing} items in {path}; then: autoal ingest {args.run} {path}")
    return 0
