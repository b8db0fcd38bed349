"""The ``autoal`` command. Subcommands are modules of :mod:`autoal.commands`, imported when they are called."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from autoal.config.command_line import EXIT_ERROR, EXIT_INTERRUPTED
from autoal.console.invocation import AUTOAL_TRAIN
from autoal.errors import AutoALError, unknown_name
from autoal.version import __version__

COMMANDS = {
    "train": ("train", "run an experiment, or a sweep with -m; the same as python train.py"),
    "list": ("listing", "list strategies, datasets, backbones or experiments"),
    "data": ("data", "fetch or verify a dataset before a job needs it"),
    "predict": ("predict", "classes of other samples, by the last checkpoint of a run"),
    "embed": ("embed", "features of a dataset by a pretrained model, computed once for many experiments"),
    "new": ("new", "write the files of a strategy of your own, or a folder of example images"),
    "report": ("report", "curves, AUBC, paired tests and win matrix of runs, as HTML, CSV and PNG"),
    "import": ("import_results", "read results of DeepAL+, ALFA-Mix or a plain CSV for a report"),
    "show": ("show", "what a run has bought, with the files, and what people have still to answer"),
    "query": ("query", "write what a run asks people as a file for another tool"),
    "label": ("label", "label what a run asks, in a browser on this machine"),
    "ingest": ("ingest", "take the answers of people into a run"),
    "export": ("export", "the labels of a run as a data set of its own: CSV, class folders, COCO"),
    "suggest": ("suggest", "which images to label next, from a partly labelled folder; nothing is kept"),
    "status": ("status", "list the finished, running, failed and missing runs of a sweep"),
}
"""Name -> (module in ``autoal.commands``, one line)."""


class Command(Protocol):
    """What a module of :mod:`autoal.commands` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the subcommand's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit status."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except AutoALError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0


def _run(words: list[str]) -> int:
    if words and words[0] == "train":
        from autoal.commands.train import main as train

        # Hydra reads the command line itself.
        sys.argv = [AUTOAL_TRAIN, *words[1:]]
        train()
        return 0
    if words and words[0] in COMMANDS:
        module, line = COMMANDS[words[0]]
        command = cast(Command, importlib.import_module(f"autoal.commands.{module}"))
        parser = argparse.ArgumentParser(prog=f"autoal {words[0]}", description=f"{line[0].upper()}{line[1:]}.")
        command.add_arguments(parser)
        # Intermixed: key=value words may stand before, between and after options.
        return command.run(parser.parse_intermixed_args(words[1:]))
    if words and not words[0].startswith("-"):
        raise unknown_name("command", words[0], COMMANDS)
    epilog = "\n".join(f"  {name:<8} {line}" for name, (_, line) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="autoal",
        usage="autoal <command> [options]",
        description="Deep active learning: run experiments, and look at what came out.",
        epilog=f"commands:\n{epilog}\n\n'autoal <command> --help' shows a command's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"autoal {__version__}")
    parser.parse_args(words)
    parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
