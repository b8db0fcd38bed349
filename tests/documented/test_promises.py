"""The page of promises names tests that exist."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from tests.documented.pages import ROOT

PAGE = ROOT / "docs" / "promises.md"
TEST = r"`(tests/[\w/]+\.py)::(?:(Test\w+)::)?(test_\w+)`"
NAMED = re.findall(TEST + r"( \(slow\))?", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "suite", "name", "slow"), NAMED, ids=lambda value: value)
def test_every_named_test_exists(file: str, suite: str, name: str, slow: str) -> None:
    if suite:
        # A suite may have its tests from a class of another module, as those that derive from StrategyContract.
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        assert inspect.isfunction(getattr(getattr(module, suite), name, None)), f"{file}::{suite} has no {name}"
        return
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert found, f"{file} has no {name}"


def test_every_promise_has_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise ")]
    assert len(promises) >= 25
    for row in promises:
        assert len(row.strip("| ").split(" | ")) in (2, 3)
        assert re.search(TEST, row), row


def test_no_name_on_the_page_is_overlooked() -> None:
    assert len(NAMED) == PAGE.read_text(encoding="utf-8").count("::test_")
