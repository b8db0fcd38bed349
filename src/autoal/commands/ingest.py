"""``autoal ingest``: take the answers of people into a run."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autoal.commands.query import add_server

if TYPE_CHECKING:
    from autoal.humans.place import Place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="a run directory with oracle=human")
    parser.add_argument(
        "files", nargs="*", type=Path, help=".csv or .jsonl files, or folders; each is taken whole or not"
    )
    parser.add_argument("--from", dest="source", choices=("labelstudio",), help="take what a server has")
    add_server(parser)
    parser.add_argument(
        "--annotator", default="file", help="who answers where a file does not say (default: %(default)s)"
    )
    parser.add_argument(
        "--watch", type=float, metavar="SECONDS", help="look at the files again until all is answered"
    )
    parser.add_argument(
        "--partial", action="store_true", help="what is answered is enough: the run goes on with it"
    )
    parser.add_argument(
        "--requeue-skips", action="store_true", help="what was skipped in earlier queries may be asked again"
    )
    parser.add_argument("--dry-run", action="store_true", help="check only")
    parser.add_argument("--root", type=Path, help="data directory (default: the run's)")


def run(args: argparse.Namespace) -> int:
    """Take answers; 0: the query is complete, 75: some missing, 65: a file was refused, 3: disputes are left."""
    from autoal.errors import AutoALError
    from autoal.humans.answers import Refused
    from autoal.humans.labelstudio.client import Unreachable
    from autoal.humans.place import Place
    from autoal.humans.status import EXIT_REFUSED, EXIT_UNANSWERED

    if args.watch is not None and args.watch <= 0:
        raise AutoALError(f"--watch={args.watch:g} is no number of seconds above 0")
    place = Place.of(args.run, args.root)
    while True:
        try:
            status = _once(args, place)
        except Refused as error:
            print(f"error: {error}; nothing of it was taken", file=sys.stderr)
            status = EXIT_REFUSED
        except Unreachable as error:
            if args.watch is None:
                raise
            print(f"{error}; trying again", file=sys.stderr)
            status = EXIT_UNANSWERED
        if args.watch is None or status not in (EXIT_UNANSWERED, EXIT_REFUSED):
            return status
        time.sleep(args.watch)


def _once(args: argparse.Namespace, place: Place) -> int:
    from autoal.humans.agreement import lines
    from autoal.humans.place import progress_line
    from autoal.humans.sheets import read_answers
    from autoal.humans.status import EXIT_DISPUTED, EXIT_UNANSWERED

    for path in args.files:
        answers, where = read_answers(path, args.annotator)
        n = place.desk.take(answers, where, dry=args.dry_run)
        print(f"{path}: {len(answers)} answers, {n} new{' (dry run: none taken)' if args.dry_run else ''}")
    if args.source == "labelstudio":
        _from_server(args, place)
    if args.requeue_skips and not args.dry_run:
        print(f"{place.desk.requeue()} skipped images of earlier queries may be asked again")
    if args.partial and not args.dry_run:
        place.desk.close()
    standing = place.latest()
    if standing is None:
        print(f"{place.run_dir} asks nothing yet")
        return EXIT_UNANSWERED
    print(progress_line(standing))
    for line in lines([one.votes for one in standing.outcomes.values()]):
        print(f"  {line}")
    if standing.complete:
        return 0
    return EXIT_UNANSWERED if standing.open else EXIT_DISPUTED


def _from_server(args: argparse.Namespace, place: Place) -> None:
    """Take what a Label Studio server has, and send it what a skip has made room for."""
    from autoal.humans.labelstudio.client import LabelStudio
    from autoal.humans.labelstudio.project import Link, fetch, refill

    link = Link.read(place.run_dir)
    server = LabelStudio.of(args.url or (link.url if link else None))
    fetched = fetch(place, server, args.project)
    n = place.desk.take(fetched.answers, fetched.where, dry=args.dry_run)
    print(
        f"{server.url}: {len(fetched.answers)} answers, {n} new{' (dry run: none taken)' if args.dry_run else ''}"
    )
    for note in fetched.notes():
        print(f"  {note}")
    standing = None if args.dry_run else place.open_query()
    more = refill(place, standing, server) if standing is not None else 0
    if more:
        print(f"  {more} tasks added in place of skipped ones")
