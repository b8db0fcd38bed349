"""The rooms of the package stand one above the other: imports go down, but for the registry's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SAME = {"Setting"}
"""Classes of one name that are one thing: what a study runs is what a report compares."""

SOURCE = Path(__file__).resolve().parents[1] / "src"
PACKAGE = SOURCE / "autoal"

FLOORS = (
    ("version", "errors", "rng", "logs"),
    ("files", "console"),
    ("processes",),
    ("config", "distributed"),
    ("rundir",),
    ("sweeps", "kernels", "data"),
    ("models", "humans"),
    ("training", "embedding"),
    ("learned", "query"),
    ("analysis",),
    ("search", "loggers"),
    ("strategies", "testing"),
    ("loop",),
    ("run",),
    ("commands",),
)
"""From the ground up: a module may import from its own room and from lower floors."""

LOOSE = 8
"""Files beside the rooms, at most: what every room needs and no room owns."""


NAMES = PACKAGE / "rundir" / "names.py"
"""Where the files of a run directory have their names."""


def words(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each string in a file, parts of f-strings too; not of its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    statements = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in statements:
            yield node.lineno, node.value


def imports(file: Path) -> Iterator[str]:
    """Names of this package's modules that a file imports, wherever in it; not for type checkers alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "autoal":
            yield from (f"autoal.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def room_of(module: str) -> str | None:
    """The first part below the package, ``"kernels"`` of ``autoal.kernels.badge``."""
    parts = module.split(".")
    return parts[1] if parts[0] == "autoal" and len(parts) > 1 else None


def test_every_room_has_a_floor_and_says_what_is_in_it() -> None:
    rooms = {p.stem for p in PACKAGE.iterdir() if p.is_dir() or p.suffix == ".py"} - {
        *("__init__", "__main__", "__pycache__")
    }
    assert rooms == {room for floor in FLOORS for room in floor}
    for folder in (p for p in PACKAGE.iterdir() if (p / "__init__.py").exists()):
        text = (folder / "__init__.py").read_text(encoding="utf-8")
        if any(folder.glob("[a-z]*.py")):
            assert ast.get_docstring(ast.parse(text)), f"what does {folder.name} hold?"


def test_imports_go_down() -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    upward = []
    for file in PACKAGE.rglob("*.py"):
        own = file.relative_to(PACKAGE).with_suffix("").parts[0]
        if own in {"__init__", "__main__"}:
            continue
        for module in imports(file):
            other = room_of(module)
            if other and other != own and floor[other] >= floor[own]:
                upward.append(f"{file.relative_to(PACKAGE)} imports {module}")
    assert not upward


def test_few_files_are_loose() -> None:
    loose = [p.name for p in PACKAGE.glob("*.py")]
    assert len(loose) <= LOOSE, loose


def test_one_file_names_the_files_of_a_run() -> None:
    names = [text for _, text in words(NAMES) if "." in text.rpartition("/")[2].lstrip(".")]
    assert {"summary.json", "rounds.csv", ".hydra/config.yaml", "/last.ckpt"} <= set(names)
    spelt = [
        f"{file.relative_to(SOURCE)}:{line} spells {name}: use autoal.rundir.names"
        for file in SOURCE.rglob("*.py")
        if file != NAMES
        for line, text in words(file)
        for name in (*names, ".hydra", "config.yaml")
        if name.lstrip("/") in text
    ]
    assert not spelt


def test_one_name_is_one_thing() -> None:
    found: dict[str, list[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(file.relative_to(PACKAGE)))
    assert not {name: files for name, files in found.items() if len(files) > 1 and name not in SAME}
