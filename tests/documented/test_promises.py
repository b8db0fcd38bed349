"""The page of promises names tests that exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.documented.pages import ROOT

PAGE = ROOT / "docs" / "promises.md"
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`( \(slow\))?", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name", "slow"), NAMED, ids=lambda value: value)
def test_every_named_test_exists(file: str, name: str, slow: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert found, f"{file} has no {name}"


def test_every_promise_has_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise ")]
    assert len(promises) >= 25
    for row in promises:
        assert len(row.strip("| ").split(" | ")) in (2, 3)
        assert re.search(r"`tests/[\w/]+\.py::\w+`", row), row
