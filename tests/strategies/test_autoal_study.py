"""The study's plain rounds are the rounds of ``train.py``."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autoal.run.experiment import Experiment


@pytest.fixture
def study(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = root / "experiments" / "autoal_study"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("autoal_study", folder / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "autoal_study", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("arm", ["margin", "autoal", "autoal_paper"])
def test_rounds_equal_those_of_the_trainer(arm: str, study: ModuleType, tmp_path: Path) -> None:
    def build(folder: str) -> Experiment:
        config: dict[str, Any] = study.compose("digits", arm, 3, None, tmp_path / folder)
        config["loop"] |= {"n_rounds": 2, "epochs": 6}
        if arm != "margin":
            config["strategy"] = {**config["strategy"], "steps": 12, "warmup_steps": 6}
        return Experiment.build(config, tmp_path / folder)

    plain = [(row["n_labeled"], row["test_acc"]) for row in study.rounds(build("plain"))]
    build("trainer").run()
    with (tmp_path / "trainer" / "rounds.csv").open() as file:
        trained = [(int(row["n_labeled"]), float(row["test_acc"])) for row in csv.DictReader(file)]
    assert [n for n, _ in plain] == [40, 60, 80]
    assert plain == trained


def test_a_finished_cell_is_not_run_again(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def run_cell(name: str, arm: str, seed: int, data_dir: Path | None) -> dict[str, Any]:
        ran.append((name, arm, seed))
        return dict.fromkeys(study.COLUMNS, "1") | {"arm": arm, "seed": seed}

    monkeypatch.setattr(study, "RESULTS", tmp_path)
    monkeypatch.setattr(study, "run_cell", run_cell)
    study.run(["digits"], ["random", "margin"], 1, None)
    study.run(["digits"], ["random", "margin"], 2, None)
    assert ran == [("digits", arm, seed) for seed in (0, 1) for arm in ("random", "margin")]
