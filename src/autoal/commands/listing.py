"""``autoal list``: what there is to choose from."""

from __future__ import annotations

import argparse
from pathlib import Path

KINDS = ("strategies", "datasets", "backbones", "experiments")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", choices=KINDS)


def run(args: argparse.Namespace) -> int:
    """Print a table."""
    from rich.console import Console

    console = Console(highlight=False)
    table = _strategies() if args.kind == "strategies" else _configs(str(args.kind).removesuffix("s"))
    if not console.is_terminal:
        # In a pipe every row stays on one line, for grep and column.
        console = Console(highlight=False, width=240)
    console.print(table)
    return 0


def _table(*columns: str) -> object:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=name == "name")
    return table


def _strategies() -> object:
    from rich.table import Table

    from autoal.config.command_line import choices
    from autoal.query.registry import strategies

    table = _table("name", "family", "needs", "what it does", "paper", "venue")
    assert isinstance(table, Table)
    known = strategies()
    for name in choices("strategy"):
        if name not in known:
            continue
        info = known[name].info
        table.add_row(name, info.family, needs_text(known[name]()), info.summary, info.paper, info.venue)
    return table


def needs_text(strategy: object) -> str:
    """Return what a strategy needs in a few words."""
    from autoal.query.contract import QueryStrategy

    assert isinstance(strategy, QueryStrategy)
    needs = strategy.needs
    words = ["embeddings"] if needs.embeddings else []
    words += ["MC dropout"] if needs.mc_samples else []
    words += ["labelled pool"] if needs.labelled else []
    return ", ".join(words) or "-" if strategy.name == "random" else ", ".join(words) or "logits"


def _configs(kind: str) -> object:
    from rich.table import Table

    from autoal.config.command_line import choices, conf_dir

    table = _table("name", "what it is")
    assert isinstance(table, Table)
    for name in choices(kind):
        table.add_row(name, describe(conf_dir() / kind / f"{name}.yaml"))
    return table


def describe(path: Path) -> str:
    """Return the first comment line of a YAML file, which says what it is."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ").rstrip().rstrip(".")
    return ""
