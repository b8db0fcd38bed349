"""Pages of the strategies, one per family, from ``StrategyInfo``, the docstrings and the committed results."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from autoal.analysis.stats import mean_ci
from autoal.commands.listing import INDEX
from docs.generate.reference import kernels
from experiments import tables

ROOT = Path(__file__).resolve().parents[2]
PICKS = Path(__file__).with_name("picks.json")
STUDIES = {"digits": "digits_study", "mnist": "mnist_study"}
FAMILIES = {
    "random": "The baseline: every unlabelled sample is equally likely.",
    "uncertainty": "The samples that the classifier is least sure of, each looked at by itself.",
    "Bayesian": "Uncertainty over several predictions of one sample. They come from dropout that stays on "
    "(Monte-Carlo dropout) or from several networks, so the score sees what the model does not know.",
    "diversity": "A batch that covers the pool. What the classifier predicts plays no part; its features may.",
    "hybrid": "Uncertain and diverse at once.",
    "adversarial": "How little has to change before the label flips, or what looks unlabelled to a network.",
    "learned": "A network of the strategy's own learns what is worth a label.",
    "search": "Strategies that choose among strategies.",
    "ceiling": "No methods: they read labels that nobody has paid for, and the test set. They show how much room "
    "there is above the others. Lists, tables and figures mark them, no strategy takes them as candidates, and an "
    "oracle that asks people refuses them.",
}
"""What the families are, in the order of the site."""

OVERVIEW = """# Strategies

A query strategy decides which unlabelled samples are labelled next. There are {strategies} of them in {families}
families. Each family has a page: what its strategies pick, shown as a picture; their options; where they depart
from their papers; what they write into `rounds.csv`; and what was measured.

`python train.py strategy=<name>` uses one; `autoal list strategies --long` prints this list.
"""
PICTURES = """In the pictures every strategy buys one batch of twelve samples of the same problem: three classes in
the plane, one of them with a small distant group. Squares are the twelve samples labelled at the start. Rings are
the batch, numbered in order of choice. A small network was trained for 60 epochs on the squares before. Where a
strategy departs from its paper, its description here or that of its function says so.
"""
CLASS = """::: {path}
    options:
      heading_level: 3
      members: []
      show_root_toc_entry: false
"""
MEASURED = """## Measured

AUBC is the area under the learning curve, in percent: the mean accuracy over the sizes of the labelled set. ± is
the standard deviation over seeds; brackets are the 95 % interval of the mean paired difference, in points.
[How it was measured](../experiments/index.md).{note}
"""


def known() -> dict[str, dict[str, str]]:
    """Return what ``StrategyInfo`` says of each strategy, by name."""
    return {row["name"]: row for row in json.loads(INDEX.read_text(encoding="utf-8"))}


def missing_pictures() -> list[str]:
    """Return the strategies that have no picture yet."""
    return sorted(set(known()) - set(json.loads(PICKS.read_text(encoding="utf-8"))["strategies"]))


def classes() -> dict[str, str]:
    """Return the dotted path of each strategy's class, by name, without importing one."""
    found = {}
    for file in sorted((ROOT / "src" / "autoal" / "strategies").glob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            for call in node.decorator_list if isinstance(node, ast.ClassDef) else ():
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "register":
                    found[str(ast.literal_eval(call.args[0]))] = f"autoal.strategies.{file.stem}.{node.name}"
    return found


def page_name(family: str) -> str:
    """Return the file of a family's page."""
    return f"strategies/{family.lower()}.md"


def overview() -> str:
    """Return the page with every strategy on a line."""
    rows = list(known().values())
    lines = [OVERVIEW.format(strategies=len(rows), families=len(FAMILIES)), ""]
    for family, about in FAMILIES.items():
        lines += [f"## [{title(family)}]({page_name(family).removeprefix('strategies/')})", "", about, ""]
        lines += ["| name | what it picks | needs | source |", "|---|---|---|---|"]
        for row in rows:
            if row["family"] == family:
                link = f"[`{row['name']}`]({page_name(family).removeprefix('strategies/')}#{row['name']})"
                lines.append(f"| {link} | {row['summary']} | {row['needs']} | {source(row)} |")
        lines.append("")
    return "\n".join(lines)


def title(family: str) -> str:
    """Return a family's name as a heading."""
    return family[0].upper() + family[1:]


def source(row: Mapping[str, str]) -> str:
    """Return a strategy's paper and venue."""
    return ", ".join(row[key] for key in ("paper", "venue") if row[key])


def family_page(family: str) -> str:
    """Return a family's page."""
    rows = [row for row in known().values() if row["family"] == family]
    picks = json.loads(PICKS.read_text(encoding="utf-8"))["strategies"]
    where, rules = classes(), kernels()
    lines = [f"# {title(family)}", "", FAMILIES[family], "", PICTURES, ""]
    lines += measured([row["name"] for row in rows])
    for row in rows:
        name = row["name"]
        lines += [f"## {name} {{ #{name} }}", "", f"{row['summary'][0].upper()}{row['summary'][1:]}.", ""]
        lines += [f"*{source(row)}*", ""] if row["paper"] else []
        if name in picks:
            lines += [f"![What {name} buys](pictures/{name}.svg){{ width=420 }}", ""]
        looks = "nothing" if row["needs"] == "-" else row["needs"]
        lines += [f"Use it: `strategy={name}`. It looks at: {looks}.", ""]
        if name in rules:
            rule = rules[name]
            lines += [f"The rule as a function: [`autoal.kernels.{name}`](../reference/kernels.md#{rule}).", ""]
        if family == "search" and name.startswith("autoal"):
            lines += ["[The method, its presets and its departures from the paper](../autoal.md).", ""]
        if name in picks:
            lines += columns(picks[name]["columns"])
        if name in where:
            lines += [CLASS.format(path=where[name])]
    return "\n".join(lines)


def columns(names: list[str]) -> list[str]:
    """Return the sentence about the columns of ``rounds.csv``."""
    if not names:
        return ["It writes no columns of its own into `rounds.csv`.", ""]
    return [f"Columns of its own in `rounds.csv`: {', '.join(f'`{name}`' for name in names)}.", ""]


def measured(names: list[str]) -> list[str]:
    """Return the table of the two studies that hold every strategy they had at their time."""
    found = {}
    for name, study in STUDIES.items():
        frame = tables.load(ROOT / "experiments" / study, name)
        if frame is not None:
            found[name] = tables.areas(frame)
    rows = list(_rows(names, found))
    if not rows:
        return ["None of them has results in the committed studies yet.", ""]
    head = ["strategy", *(text for name in found for text in (f"AUBC, {name}", f"AUBC - random, {name}"))]
    without = [name for name in names if all(name not in area for area in found.values())]
    note = f" Not measured yet: {', '.join(f'`{name}`' for name in without)}." if without else ""
    return [MEASURED.format(note=note), "", tables.markdown(head, rows), ""]


def _rows(names: list[str], found: Mapping[str, tables.Values]) -> Iterator[list[str]]:
    first = next(iter(found.values()), {})
    for name in sorted(names, key=lambda n: -mean_ci(list(first[n].values()))[0] if n in first else 0.0):
        cells = []
        for area in found.values():
            against = name in area and name != "random" and "random" in area
            cells.append(tables.percent(area[name]) if name in area else "")
            cells.append(tables.points(tables.difference(area, name, "random")) if against else "")
        if any(cells):
            yield [f"[`{name}`](#{name})", *cells]
