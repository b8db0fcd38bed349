"""The figures of a run are drawn now and then, and always at the end."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from autoal.loggers import files
from autoal.loggers.base import RunInfo

ROWS = [{"round": i, "n_labeled": 10 + i, "test_acc": 0.5} for i in range(200)]


@pytest.mark.parametrize(
    ("every", "first"), [(math.inf, []), (0.0, list(range(1, 201)))], ids=["rarely", "always"]
)
def test_a_long_run_is_not_spent_on_drawing(
    every: float, first: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def plot(rows: Any, path: Path, title: str) -> None:
        drawn.append(len(rows))

    monkeypatch.setattr(files, "DRAW_EVERY", every)
    monkeypatch.setattr(files, "DRAW_SHARE", math.inf)
    monkeypatch.setattr(files, "plot_curve", plot)
    listener = files.FileListener("title", lambda folder, rows: None)
    info = RunInfo(tmp_path, {}, "recipe", "random", 0, ("a", "b"), resumed=False)
    listener.start(info)
    for n in range(1, 201):
        listener.round(ROWS[:n])
    assert drawn == first
    listener.finish({})
    assert drawn[len(first) :] == ([200] if every else []), "what the last rounds have left undrawn"
