"""The study on frozen features: who is ahead of whom, and the lines of its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments import tables
from experiments.foundation_study import lift_figure, report


def frame(seeds: int, **levels: float) -> pd.DataFrame:
    """Curves that rise by a tenth per round, each strategy by so much above the others on every seed."""
    rows = [
        {"strategy": name, "seed": seed, "round": r, "n_labeled": 10 + 10 * r}
        | {"test_acc": 0.2 + 0.01 * seed + 0.1 * r + (level if r else 0.0)}
        for name, level in levels.items()
        for seed in range(seeds)
        for r in range(4)
    ]
    return pd.DataFrame(rows)


def test_ten_seeds_of_ten_are_a_finding_and_eight_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = {"ten": frame(10, random=0.0, autoal=0.1, margin=0.1), "few": frame(4, random=0.0, autoal=-0.1)}
    lost = frames["ten"]["strategy"].eq("autoal") & frames["ten"]["seed"].isin([3, 9])
    frames["eight"] = frames["ten"].assign(test_acc=frames["ten"]["test_acc"] - 0.2 * lost)
    monkeypatch.setattr(tables, "load", lambda study, name: frames.get(name))
    lines = report.ahead(Path(), "ten", "eight", "few", "none").splitlines()
    assert lines[0] == "| autoal against | ten | eight | few |"
    assert lines[2:] == ["| random | 100 ▲ | 80 | 0 |", "| margin | 50 | 40 |  |"]


def test_a_test_that_cannot_succeed_costs_the_others_nothing() -> None:
    assert report.too_few([10.0] * 21 + [5.0] * 5) == [False] * 21 + [True] * 5
    assert report.too_few([5.0]) == [True]
    assert report.too_few([6.0]) == [False]
    assert report.too_few([3.0] * 4) == [True] * 4
    assert report.too_few([]) == []


def test_lines_are_differences_on_the_seeds_that_all_have(tmp_path: Path) -> None:
    data = frame(5, random=0.0, autoal=0.1, margin=0.05, kmeans=0.3)
    data = data[~(data["strategy"].eq("margin") & data["seed"].isin([1, 3]))]
    lines, seeds = lift_figure.lifts(data)
    assert (seeds, list(lines)) == (3, ["autoal", "margin"])
    sizes, mean, error = lines["autoal"]
    assert sizes.tolist() == [10, 20, 30, 40]
    np.testing.assert_allclose(mean, [0, 10, 10, 10], atol=1e-9)
    np.testing.assert_allclose(error, 0, atol=1e-9)
    lift_figure.draw({}, tmp_path / "none.png")
    lift_figure.draw({"a": data, "b": data, "c": data, "d": data}, tmp_path / "some.png")
    assert [p.name for p in tmp_path.iterdir()] == ["some.png"]
