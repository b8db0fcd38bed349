"""``autoal new images``: a folder as a user has one, on which the documented recipe learns something."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest

import autoal
from autoal.commands.main import main

ROOT = Path(__file__).resolve().parents[2]


def test_writes_a_folder_with_labels_and_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    assert main(["new", "images", str(folder)]) == 0
    rows = list(csv.DictReader((folder / "labels.csv").open()))
    assert len(rows) == 1797
    assert all((folder / row["path"]).exists() for row in rows)
    assert 100 < sum(not row["label"] for row in rows) < 150
    assert {row["label"] for row in rows} == {"", *(f"digit {i}" for i in range(10))}
    assert all(row["label"] for row in rows if row["split"] == "test")
    assert main(["new", "images", str(folder)]) == 1
    assert "exists already; nothing was written" in capsys.readouterr().err


@pytest.mark.slow
def test_the_documented_recipe_makes_a_curve_that_rises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe of docs/data.md; its figures hold on any machine to within what rounding changes."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "images", "photos_of_mine"]) == 0
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^python train\.py (.*dataset\.name=mine .*)$", text, re.MULTILINE)
    run = autoal.experiment(overrides=shlex.split(line), run_dir="run")
    assert run.run()["final_acc"] > 0.95
    accuracies = [float(row["test_acc"]) for row in run.rounds()]
    assert accuracies[0] < 0.5
    assert accuracies[2] > accuracies[0] + 0.2
