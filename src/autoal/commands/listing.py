"""``autoal list``: what there is to choose from.

Imports neither torch nor a strategy: what is said of the strategies stands in ``strategies.json``, which
``python -m experiments.readme`` writes and a test compares with the classes.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoal.query.contract import QueryStrategy

KINDS = ("strategies", "datasets", "backbones", "experiments")
INDEX = Path(__file__).with_name("strategies.json")
WIDTH = 80
FIELDS = ("name", "family", "needs", "summary", "paper", "venue")
"""What is known of a strategy."""

Row = dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--long", action="store_true", help="also what each strategy needs, and its paper")
    parser.add_argument("--json", action="store_true", help="everything, as a JSON list with one object per line")


def run(args: argparse.Namespace) -> int:
    """Print what there is."""
    rows = known_strategies() if args.kind == "strategies" else configs(str(args.kind).removesuffix("s"))
    if args.json:
        print(as_json(rows), end="")
    else:
        print("\n".join(lines(rows, long=args.long)))
    return 0


def known_strategies() -> list[Row]:
    """Return what there is to say of each strategy that has a config; of another's, the config's first line."""
    index = {row["name"]: row for row in json.loads(INDEX.read_text(encoding="utf-8"))}
    own = dict.fromkeys(FIELDS, "") | {"family": "own"}
    return [index.get(row["name"]) or own | row for row in configs("strategy")]


def configs(group: str) -> list[Row]:
    """Return the names of a config group and what each is; of an installed package's, its package."""
    from autoal.config.command_line import config_files
    from autoal.config.offers import offers

    rows = {name: {"name": name, "summary": describe(path)} for name, path in config_files(group).items()}
    for offer in offers(group):
        row = rows.get(offer.name, {"name": offer.name, "summary": ""})
        rows[offer.name] = row | {
            "summary": row["summary"] or f"{offer.target.rpartition('.')[2]}",
            "family": f"of {offer.package}",
        }
    return [rows[name] for name in sorted(rows)]


def lines(rows: Iterable[Row], long: bool = False) -> Iterable[str]:
    """Yield lines of at most 80 columns, strategies under their family and experiments under their study.

    Args:
        rows: What to print, by name.
        long: Whether to print more than name and summary.
    """

    def heading(row: Row) -> str:
        return row.get("family") or row["name"].rpartition("/")[0]

    ordered = sorted(rows, key=lambda row: (heading(row), row["name"]))
    width = min(max((len(row["name"]) for row in ordered), default=0), WIDTH // 2)
    last = ""
    for row in ordered:
        if heading(row) != last:
            yield from ([""] if last else []) + [heading(row)]
            last = heading(row)
        indent = "  " if last else ""
        name = f"{indent}{row['name']:<{width}}  "
        blank = " " * len(name)
        venue = f" [{row['venue']}]" if row.get("venue") and not long else ""  # `--long` names it with the paper
        summary = textwrap.wrap(row["summary"] + venue, WIDTH, initial_indent=name, subsequent_indent=blank)
        yield from summary or [name.rstrip()]
        if long:
            source = ", ".join(row[key] for key in ("paper", "venue") if row.get(key))
            for text in (f"needs: {row['needs']}" if row.get("needs") else "", source):
                yield from textwrap.wrap(text, WIDTH, initial_indent=blank, subsequent_indent=blank)


def as_json(rows: Iterable[Mapping[str, str]]) -> str:
    """Return a JSON list with one row per line."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def strategy_rows() -> list[Row]:
    """Return the rows of :data:`INDEX` from the strategies themselves, which imports all of them."""
    from autoal.config.command_line import choices
    from autoal.query.registry import build

    rows = []
    for name in choices("strategy"):
        strategy = build(name)
        info = strategy.info
        values = (name, info.family, needs_text(strategy), info.summary, info.paper, info.venue)
        rows.append(dict(zip(FIELDS, values, strict=True)))
    return rows


def needs_text(strategy: QueryStrategy) -> str:
    """Return what a strategy needs in a few words."""
    needs = strategy.needs
    words = ["embeddings"] if needs.embeddings else []
    words += ["MC dropout"] if needs.mc_samples else []
    words += ["labelled pool"] if needs.labelled else []
    return ", ".join(words) or ("-" if strategy.name == "random" else "logits")


def describe(path: Path) -> str:
    """Return the first comment line of a YAML file, which says what it is."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ").rstrip().rstrip(".")
    return ""
