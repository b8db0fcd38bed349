"""Pages of the API reference: which modules, and what stands above them."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"

PAGES = {
    "kernels": (
        "Kernels",
        "Selection rules as functions of tensors. Nothing else of AutoAL is needed.",
        ["autoal.kernels"],
    ),
    "query": (
        "Query strategies",
        "What a strategy is given, what it returns, and how it is found by its name.",
        [
            "autoal.query.asking",
            "autoal.query.plain",
            "autoal.query.contract",
            "autoal.query.registry",
            "autoal.training.inference",
        ],
    ),
    "testing": (
        "Testing a strategy",
        "The contract that every strategy keeps, as tests to import.",
        ["autoal.testing.contract"],
    ),
    "training": (
        "Training",
        "Hooks by which a strategy changes training, and the settings of the rounds.",
        ["autoal.training.hooks", "autoal.training.task", "autoal.loop.settings"],
    ),
    "data": (
        "Data",
        "Data sets, the pool and the oracle.",
        ["autoal.data.base", "autoal.data.pool", "autoal.data.oracle"],
    ),
    "models": (
        "Backbones and loggers",
        "",
        ["autoal.models.base", "autoal.models.classifier", "autoal.loggers.base"],
    ),
    "runs": (
        "Runs",
        "An experiment from Python, its directory and its random streams.",
        ["autoal.run.experiment", "autoal.rundir.ledger", "autoal.rng", "autoal.errors"],
    ),
    "analysis": ("Analysis", "Curves and statistics.", ["autoal.analysis.curves", "autoal.analysis.stats"]),
}


def kernels() -> dict[str, str]:
    """Return the dotted path of every public kernel by its name, in alphabetical order.

    A function's path through its module is unique; ``autoal.kernels.badge`` is a module as well.
    """
    tree = ast.parse((SOURCE / "autoal" / "kernels" / "__init__.py").read_text(encoding="utf-8"))
    found = {
        alias.name: f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def exists(module: str) -> bool:
    """Tell whether a module is there, without importing it."""
    path = SOURCE / module.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def pages() -> dict[str, str]:
    """Return the pages' texts by file."""
    texts = {}
    for name, (heading, about, modules) in PAGES.items():
        there = [module for module in modules if exists(module)]
        if name == "kernels":
            # The module's own text first, then each function by itself.
            there, options = [*there, *kernels().values()], "      heading_level: 2\n      members: []\n"
        else:
            options = "      heading_level: 2\n"
        if there:
            blocks = [f"::: {module}\n    options:\n{options}" for module in there]
            texts[f"reference/{name}.md"] = "\n".join([f"# {heading}", "", about, "", *blocks])
    return texts
