"""``autoal show``: what a run has bought, with the files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="a run directory")
    parser.add_argument("--round", type=int, help="only this round's purchase (0: the initial one)")
    parser.add_argument("--limit", type=int, default=20, help="lines per round; 0: all (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Print the purchases of each round, and what people have still to answer."""
    from itertools import groupby

    from autoal.errors import AutoALError
    from autoal.rundir.ledger import Ledger
    from autoal.rundir.names import LEDGER, QUERIES

    path = args.run / LEDGER
    if not path.exists() and not (args.run / QUERIES).is_dir():
        raise AutoALError(f"{args.run} holds no {LEDGER}: nothing was bought")
    bought = Ledger(path).read(repair=False)
    for (round_, source, strategy), group in groupby(bought, lambda p: (p.round, p.source, p.strategy)):
        if args.round not in (None, round_):
            continue
        members = list(group)
        print(f"round {round_}, {source}, {strategy}: {len(members)} labels")
        for p in members[: args.limit or None]:
            score = "" if p.score is None else f"  {p.score:.6g}"
            print(f"  {p.id:>7}  {p.class_name or p.label}  {p.path or ''}{score}".rstrip())
        if args.limit and len(members) > args.limit:
            print(f"  ... and {len(members) - args.limit} more")
    if (args.run / QUERIES).is_dir():
        _people(args.run)
    return 0


def _people(run_dir: Path) -> None:
    """Print how far the last query is, and how far annotators agree."""
    from autoal.humans.agreement import lines
    from autoal.humans.answers import Desk
    from autoal.humans.place import progress_line
    from autoal.humans.standing import standing

    desk = Desk(run_dir)
    queries, answers = desk.queries(), desk.answers()
    found = [standing(query, answers) for query in queries]
    if found:
        print(progress_line(found[-1]))
    for line in lines([one.votes for each in found for one in each.outcomes.values()]):
        print(f"  {line}")
