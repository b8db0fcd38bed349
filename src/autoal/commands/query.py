"""``autoal query``: give what a run asks to another tool, as a file or on a server."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="a run directory with oracle=human")
    parser.add_argument(
        "--to",
        choices=("jsonl", "csv", "imagefolder", "labelstudio"),
        default="csv",
        help="csv: a sheet to fill in; imagefolder: the images and a metadata.csv; labelstudio: a server "
        "(default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, help="file or folder (default: in queries/ of the run directory)")
    add_server(parser)
    parser.add_argument(
        "--served",
        type=Path,
        help="the server's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT (default: the images' parent)",
    )
    parser.add_argument(
        "--suggest", action="store_true", help="the server shows what the model thinks; it sways people"
    )
    parser.add_argument("--root", type=Path, help="data directory (default: the run's)")


def add_server(parser: argparse.ArgumentParser) -> None:
    """Declare where a Label Studio server is; its key is in ``LABEL_STUDIO_API_KEY``."""
    parser.add_argument(
        "--url",
        help="address of Label Studio (default: where the run was sent, LABEL_STUDIO_URL, or port 8080 here)",
    )
    parser.add_argument(
        "--project", type=int, help="number of its project (default: one that the run makes itself)"
    )


def run(args: argparse.Namespace) -> int:
    """Write or send the open query; status 75 if there is none."""
    from autoal.humans.place import Place, progress_line
    from autoal.humans.sheets import write_query
    from autoal.humans.status import EXIT_UNANSWERED

    place = Place.of(args.run, args.root)
    standing = place.open_query()
    if standing is None:
        print(f"{args.run} asks nothing now")
        return EXIT_UNANSWERED
    if args.to == "labelstudio":
        from autoal.humans.labelstudio.client import LabelStudio
        from autoal.humans.labelstudio.project import Link, send

        link = Link.read(args.run)
        server = LabelStudio.of(args.url or (link.url if link else None))
        sent = send(place, standing, server, args.project, args.served, args.suggest)
        print(
            f"{progress_line(standing)}\n{sent.new} tasks added, {sent.there} were there; label at {sent.address}"
        )
        print(f"then: autoal ingest {args.run} --from labelstudio")
        return 0
    path = write_query(place, standing, args.to, args.out)
    print(f"{progress_line(standing)}\n{standing.missing} items in {path}; then: autoal ingest {args.run} {path}")
    return 0
