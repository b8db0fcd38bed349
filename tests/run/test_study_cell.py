"""A cell that runs third in a process is the cell that runs alone, and leaves the process as it was."""

from __future__ import annotations

import csv
import json
import logging
import os
import random
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import torch

from autoal.errors import AutoALError
from autoal.processes.signals import STOP_SIGNALS
from autoal.run.study_cell import CellRunner
from autoal.rundir.state import load_summary, read_config
from tests.faults import lives

CELL = (*lives.TINY, "dataset=digits", "strategy=badge", "seed=3", "loop.n_rounds=2")
"""What is compared: draws from random streams, and trains with dropout and mini-batches."""


def rounds(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "rounds.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows]


def ledger(run_dir: Path) -> list[dict[str, Any]]:
    lines = (run_dir / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


def state(run_dir: Path) -> dict[str, Any]:
    return torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)


def standing() -> dict[str, Any]:
    """What of a process a run could change."""
    return {
        "signals": [signal.getsignal(s) for s in STOP_SIGNALS],
        "random": random.getstate(),
        "numpy": repr(np.random.get_state()),
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "environment": dict(os.environ),
        "handlers": list(logging.getLogger().handlers),
        "level": logging.getLogger().level,
        "filters": list(warnings.filters),
        "matplotlib": dict(mpl.rcParams),
        "directory": Path.cwd(),
    }


@pytest.mark.slow
def test_the_third_cell_of_a_process_equals_a_run_of_its_own(tmp_path: Path) -> None:
    runner = CellRunner()
    # Other data, other seeds, an optimiser of another kind and another precision come before it.
    runner.run((*lives.TINY, "strategy=margin", "seed=1", "trainer.precision=bf16-mixed"), tmp_path / "first")
    runner.run((*lives.TINY, "strategy=badge", "seed=2", "optimizer=lbfgs"), tmp_path / "second")
    runner.run(CELL, tmp_path / "third")
    command = [sys.executable, "train.py", *CELL, f"paths.run_dir={tmp_path / 'alone'}"]
    subprocess.run(command, cwd=lives.ROOT, check=True, capture_output=True)
    assert rounds(tmp_path / "third") == rounds(tmp_path / "alone")
    assert ledger(tmp_path / "third") == ledger(tmp_path / "alone")
    own, other = state(tmp_path / "third"), state(tmp_path / "alone")
    assert own["state_dict"].keys() == other["state_dict"].keys()
    assert all(torch.equal(own["state_dict"][k], other["state_dict"][k]) for k in own["state_dict"])
    assert own["ActiveLearningDataModule"]["pool"]["state"].equal(
        other["ActiveLearningDataModule"]["pool"]["state"]
    )
    assert own["autoal"] == other["autoal"]
    configs = [read_config(tmp_path / name) for name in ("third", "alone")]
    assert [config.pop("paths")["run_dir"] for config in configs] == [
        str(tmp_path / n) for n in ("third", "alone")
    ]
    assert configs[0] == configs[1]
    files = [
        {p.relative_to(tmp_path / n).as_posix() for p in (tmp_path / n).rglob("*")} for n in ("third", "alone")
    ]
    assert files[0] == files[1]


@pytest.mark.slow
def test_a_cell_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    runner = CellRunner()
    runner.run((*lives.TINY, "strategy=random"), tmp_path / "first")  # imports leave their traces once
    before = standing()
    runner.run((*lives.TINY, "strategy=badge", "trainer.deterministic=true"), tmp_path / "second")
    after = standing()
    assert [key for key in before if before[key] != after[key]] == []


@pytest.mark.slow
def test_a_failed_cell_is_recorded_and_the_next_one_runs(tmp_path: Path) -> None:
    runner = CellRunner()
    with pytest.raises(AutoALError, match=r"loop\.n_init"):
        runner.run((*lives.TINY, "strategy=random", "loop.n_init=100000"), tmp_path / "bad")
    assert load_summary(tmp_path / "bad")["status"] == "failed"
    assert runner.run((*lives.TINY, "strategy=random"), tmp_path / "good")["status"] == "finished"
    again = runner.run((*lives.TINY, "strategy=random"), tmp_path / "good")
    assert again["status"] == "finished"


def test_cells_of_other_seeds_are_composed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CellRunner()
    first = runner._config(["strategy=margin", "seed=4"], tmp_path / "a")
    monkeypatch.setattr("autoal.run.study_cell.compose_config", lambda *_, **__: pytest.fail("composed again"))
    second = runner._config(["strategy=margin", "seed=5"], tmp_path / "b")
    assert (first.seed, second.seed) == (4, 5)
    assert (first.paths.run_dir, second.paths.run_dir) == (str(tmp_path / "a"), str(tmp_path / "b"))
