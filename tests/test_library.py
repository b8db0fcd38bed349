"""The blocks of docs/library.md, carried out in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from autoal.commands.main import main

BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_of_the_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall((root / "docs" / "library.md").read_text(encoding="utf-8"))
    assert len(blocks) == 4
    for language, body in blocks:
        if language == "python":
            exec(compile(body, "library.md", "exec"), names)
            continue
        program, *words = shlex.split(body)
        assert program == "autoal"
        assert main(words) == 0
    assert names["picks"].index.shape == (10,)
    assert [row["n_labeled"] for row in names["run"].rounds()] == ["20", "30", "40"]
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 598
