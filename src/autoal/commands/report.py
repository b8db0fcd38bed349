"""``autoal report``: from run directories to the page, the tables and the figures of a comparison."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.

    Args:
        parser: Parser of the subcommand.
    """
    parser.add_argument(
        "dirs", nargs="+", type=Path, metavar="DIR", help="run, multirun, or any folder above runs"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the report")
    parser.add_argument("--title", default="Active learning report", help="heading of the page")
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="KEY",
        help="config key (e.g. loop.n_query) that makes runs a setting of their own; may be repeated",
    )
    parser.add_argument(
        "--allow-mixed-recipes",
        action="store_true",
        help="draw runs of different recipes together; without it they are refused with the keys that differ",
    )
    parser.add_argument(
        "--baseline",
        metavar="NAME",
        help="strategy (or the start of its name) that label savings refer to (default: random, if it ran)",
    )
    parser.add_argument(
        "--alpha", type=_level, default=0.05, help="error level of intervals and tests (default: 0.05)"
    )
    parser.add_argument(
        "--resamples",
        type=_resamples,
        default=10_000,
        metavar="N",
        help="bootstrap resamples; used from 20 seeds on (default: 10000)",
    )
    parser.add_argument(
        "--band",
        choices=("sd", "se", "ci"),
        default="ci",
        help="what the bands of curves show: sd, standard deviation over seeds; se, standard error of the mean; "
        "ci, interval of the mean (default)",
    )
    parser.add_argument("--no-figures", action="store_true", help="skip the PNG and PDF figures")
    parser.add_argument(
        "--strict", action="store_true", help="exit with status 1 if any run is left out, missing or duplicated"
    )


def _level(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 0 and 1")
    return value


def _resamples(text: str) -> int:
    if not text.isdecimal() or int(text) < 100:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 100")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Write the report and say what it found.

    Args:
        args: Parsed arguments.

    Returns:
        Exit status: 0, or 1 with ``--strict`` if something is left out, missing or duplicated.

    Raises:
        AutoALError: If no run finished, recipes would be mixed, the baseline did not run, or the folder cannot be
            written.
    """
    from autoal.analysis.report import Options, make_report

    options = Options(
        title=args.title,
        setting_keys=tuple(args.setting),
        allow_mixed_recipes=args.allow_mixed_recipes,
        baseline=args.baseline,
        alpha=args.alpha,
        resamples=args.resamples,
        figures=not args.no_figures,
        band=args.band,
    )
    report = make_report(args.dirs, args.out, options)
    for problem in report.problems[:20]:
        print(problem, file=sys.stderr)
    if len(report.problems) > 20:
        rest = len(report.problems) - 20
        print(f"and {rest} more, all listed in {args.out / 'problems.csv'}", file=sys.stderr)
    for result in report.results:
        best = max(result.strategies, key=lambda s: s.aubc[0])
        strategies, seeds = len(result.strategies), len(result.setting.seeds)
        print(
            f"{result.setting.label}: {strategies} {'strategy' if strategies == 1 else 'strategies'}, "
            f"{seeds} {'seed' if seeds == 1 else 'seeds'}; "
            f"best mean AUBC {100 * best.aubc[0]:.2f}% ({best.name})"
        )
    print(report.page)
    return 1 if args.strict and report.problems else 0
