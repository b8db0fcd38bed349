"""``autoal label``: the labelling page of a run, in a browser on this machine."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", type=Path, help="a run directory with oracle=human")
    parser.add_argument("--annotator", help="your name in the answers (default: the user's)")
    parser.add_argument("--port", type=int, default=8765, help="0: any free one (default: %(default)s)")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--review", action="store_true", help="look through the labels, the least likely ones first")
    mode.add_argument("--disputed", action="store_true", help="decide where annotators differ")
    parser.add_argument("--suggest", action="store_true", help="show what the model thinks; it sways people")
    parser.add_argument("--root", type=Path, help="data directory (default: the run's)")


def run(args: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C; every answer is on disk when the page shows it as given."""
    import socket
    from urllib.parse import urlencode

    from autoal.errors import AutoALError
    from autoal.humans.board import Board
    from autoal.humans.place import Place, progress_line

    try:
        import uvicorn

        from autoal.humans.server import make_app, token_of
    except ImportError as error:
        raise AutoALError(
            "the labelling page needs Starlette and uvicorn: pip install 'autoal[label]' (or use autoal query "
            f"and autoal ingest): {error}"
        ) from error
    if not 0 <= args.port <= 65535:
        raise AutoALError(f"--port={args.port} is no port from 0 to 65535")
    place = Place.of(args.run, args.root)
    standing = place.latest()
    if standing is None:
        raise AutoALError(f"{args.run} asks nothing yet; start the run first")
    who = args.annotator or getpass.getuser()
    mode = "review" if args.review else "disputed" if args.disputed else "label"
    token = token_of(args.run)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", args.port))
        listener.listen()  # from here on a page that is still open gets an answer
    except OSError as error:
        raise AutoALError(f"port {args.port} is taken; try --port 0, which picks a free one") from error
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/?{urlencode({'token': token, 'annotator': who})}"
    print(
        f"{progress_line(standing)}\nopen {address}\nCtrl-C ends the page; every answer shown as given is on disk",
        flush=True,
    )
    app = make_app(Board(place, mode, args.suggest), token, who)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
    after = place.latest()
    if after is not None:
        print(progress_line(after))
    return 0
