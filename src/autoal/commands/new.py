"""``autoal new strategy NAME``: the four files of a new strategy, with a test that passes as written.

``autoal new images FOLDER`` writes example images instead (:mod:`autoal.commands.example_images`).
"""

from __future__ import annotations

import argparse
import keyword
import re
from pathlib import Path

STRATEGY = '''"""{title}: replace this line by what it picks, and the paper it is from."""

from __future__ import annotations

from torch import Tensor

from autoal.query.contract import QueryContext, ScoreStrategy, StrategyInfo
from autoal.query.registry import register


@register("{name}")
class {cls}(ScoreStrategy):
    """Second largest logit."""

    info = StrategyInfo("uncertainty", "highest second logit")

    def score(self, ctx: QueryContext) -> Tensor:
        """Return the score of each unlabelled sample ``(N,)``, higher is more wanted."""
        return ctx.unlabelled.logits.topk(2, dim=1).values[:, 1]
'''

TEST = '''"""Tests of strategy {name}: that it picks what it should{contract}."""

from __future__ import annotations

import torch

from autoal.query import ask
{imports}from autoal.training.inference import PoolOutputs
{own}

{suite}def test_picks_what_it_should() -> None:
    logits = torch.tensor([[9.0, 0.0, 0.0], [2.0, 1.5, 0.0], [5.0, 4.0, 0.0]])
    assert ask({cls}(), PoolOutputs(torch.arange(3), logits), n=2).ids.tolist() == [2, 1]
'''

SUITE = """class Test{cls}(StrategyContract):
    strategy = {cls}


"""

ENTRY = """
[project.entry-points."autoal.strategies"]
{name} = "{module}:{cls}"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("kind", choices=("strategy", "images"))
    parser.add_argument(
        "name",
        help="a strategy's name in configs and reports: lower case, digits, underscores; or a folder for images",
    )
    parser.add_argument(
        "--package", type=Path, metavar="DIR", help="folder of your own package (default: this checkout of AutoAL)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the files and say what is left to do."""
    from autoal.commands.example_images import write_images
    from autoal.config.command_line import choices
    from autoal.errors import AutoALError

    name = str(args.name)
    if args.kind == "images":
        print(write_images(Path(name)))
        return 0
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise AutoALError(f"'{name}' is no name of a strategy: lower case letters, digits and underscores")
    if name in choices("strategy"):
        raise AutoALError(f"there is a strategy '{name}' already")
    files, line, left = inside(name) if args.package is None else outside(name, args.package)
    there = [path for path in files if path.exists()]
    if there:
        raise AutoALError(f"{there[0]} exists already; nothing was written")
    for path, text in files.items():
        _write(path, text)
    page, words = line
    _append(page, words)
    print("\n".join([*(f"wrote    {path}" for path in files), f"added to {page}", "", *left]))
    return 0


def inside(name: str) -> tuple[dict[Path, str], tuple[Path, str], list[str]]:
    """Return the files of a strategy of this package, its line of documentation, and what is left to do.

    Raises:
        AutoALError: If this is no checkout.
    """
    from autoal.config.command_line import conf_dir
    from autoal.errors import AutoALError

    root = conf_dir().parent
    if not (root / "src" / "autoal" / "strategies").is_dir():
        raise AutoALError("this is no checkout of AutoAL; for a package of your own add --package DIR")
    cls = class_name(name)
    own = f"from autoal.strategies.{name} import {cls}\n"
    files = {
        root / "src" / "autoal" / "strategies" / f"{name}.py": STRATEGY.format(title=cls, name=name, cls=cls),
        root / "conf" / "strategy" / f"{name}.yaml": f"name: {name}\n",
        root / "tests" / "strategies" / f"test_{name}.py": TEST.format(
            name=name, cls=cls, contract="; tests/contract holds it to the rest", imports=own, own="", suite=""
        ),
    }
    left = [
        f"test it:  python -m pytest tests/strategies/test_{name}.py tests/contract -k {name}",
        "list it:  python -m experiments.readme",
        f"draw it:  python -m docs.generate.pictures {name}",
    ]
    return files, (root / "CHANGELOG.md", f"- Strategy `{name}`: highest second logit."), left


def outside(name: str, package: Path) -> tuple[dict[Path, str], tuple[Path, str], list[str]]:
    """Return the files of a strategy of another package, its line of documentation, and what is left to do.

    Args:
        name: Its name.
        package: The package's folder.

    Raises:
        AutoALError: If the folder's name can't be imported.
    """
    from autoal.errors import AutoALError

    folder = package.absolute()
    if not folder.name.isidentifier() or keyword.iskeyword(folder.name):
        raise AutoALError(f"--package {package}: '{folder.name}' is no name of a Python package")
    cls, module = class_name(name), f"{folder.name}.{name}"
    top = folder.parent.parent if folder.parent.name == "src" else folder.parent
    files = {
        folder / f"{name}.py": STRATEGY.format(title=cls, name=name, cls=cls),
        folder / "conf" / "strategy" / f"{name}.yaml": (
            f"# Highest second logit.\nname: {name}\n_target_: {module}.{cls}\n"
        ),
        top / "tests" / f"test_{name}.py": TEST.format(
            name=name,
            cls=cls,
            contract=", and the contract of all strategies",
            imports="from autoal.testing import StrategyContract\n",
            own=f"from {module} import {cls}\n",
            suite=SUITE.format(cls=cls),
        ),
    }
    if not (folder / "__init__.py").exists():
        files[folder / "__init__.py"] = f'"""Strategies for AutoAL: {name}."""\n'
    left = [
        "in the pyproject.toml of your package, so that strategy=" + name + " is found everywhere:",
        ENTRY.format(name=name, module=module, cls=cls),
        f"test it:  python -m pytest tests/test_{name}.py",
        f"run it:   autoal train strategy={name}",
    ]
    return files, (top / "README.md", f"- `{name}`: highest second logit."), left


def class_name(name: str) -> str:
    """Return ``MyStrategy`` of ``my_strategy``."""
    return "".join(part.capitalize() for part in name.split("_"))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _append(path: Path, line: str) -> None:
    """Add a line below the first ``### Added``, or else at the end of a file, which is made if there is none."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if "### Added\n" in before:
        _write(path, before.replace("### Added\n", f"### Added\n{line}\n", 1))
    else:
        _write(path, f"{before.rstrip()}\n{line}\n".lstrip("\n"))
