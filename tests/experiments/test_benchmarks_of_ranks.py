"""The benchmarks of several processes and of a GPU run, tiny, on the CPU."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from experiments.benchmarks import gpu, ranks
from experiments.benchmarks.crossover import crossover

pytestmark = pytest.mark.slow


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_gpu_benchmark_runs_tiny_on_a_cpu(tmp_path: Path) -> None:
    gpu.main(["--device", "cpu", "--small", "--out", str(tmp_path)])
    assert {row["outcome"] for row in _table(tmp_path / "gpu_tests.csv")} <= {"passed", "skipped"}
    rows = _table(tmp_path / "gpu_kernels.csv")
    assert [row["kernel"] for row in rows] == ["kcenter", "badge", "herding"]
    assert all(float(row["of_bandwidth"]) > 0 and row["device"] for row in rows)
    assert [row["strategy"] for row in _table(tmp_path / "gpu_runs.csv")] == ["random", "margin", "autoal"]


@pytest.mark.ddp
def test_memory_per_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ranks.csv"
    monkeypatch.setattr(sys, "argv", ["ranks", "--rows", "3000", "--ranks", "1", "2", "--results", str(path)])
    ranks.main()
    assert len(_table(path)) == 3 * len(ranks.STRATEGIES)


@pytest.mark.ddp
def test_crossover(tmp_path: Path) -> None:
    crossover(1, small=True, results=tmp_path / "crossover.csv")
    assert {row["what"] for row in _table(tmp_path / "crossover.csv")} == {"badge", "5 steps", "autoal_search"}
