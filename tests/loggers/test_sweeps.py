"""The example sweeps, and what a multirun leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf


def test_the_wandb_sweep_names_keys_that_exist(root: Path) -> None:
    sweep = yaml.safe_load((root / "docs" / "examples" / "wandb_sweep.yaml").read_text())
    assert (root / sweep["program"]).exists()
    assert sweep["metric"] == {"name": "round/val_acc", "goal": "maximize"}
    overrides = [word for word in sweep["command"] if "=" in word]
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("train", overrides=overrides)
    assert config.loop.n_val > 0
    for key in sweep["parameters"]:
        assert OmegaConf.select(config, key) is not None, key


@pytest.mark.slow
def test_a_sweep_tunes_on_validation_with_optuna(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    command = [sys.executable, str(root / "train.py"), "-m", "+experiment=sweeps/optuna", "strategy=random"]
    tiny = ["trainer=cpu", "hydra.sweeper.n_trials=2", "loop.n_rounds=0", "loop.epochs=2", "hydra.sweep.dir=sweep"]
    done = subprocess.run(
        [*command, *tiny], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    best = yaml.safe_load((tmp_path / "sweep" / "optimization_results.yaml").read_text())
    summaries = [json.loads(p.read_text()) for p in (tmp_path / "sweep").rglob("summary.json")]
    assert len(summaries) == 2
    assert best["best_value"] == max(s["val_acc"] for s in summaries)


@pytest.mark.slow
def test_a_2x2_multirun_gives_four_runs_of_their_own(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(root / "train.py"), "-m", "strategy=random,margin", "seed=0,1"]
    tiny = ["trainer=cpu", "loop.n_rounds=1", "loop.epochs=2", "hydra.sweep.dir=sweep", "logger=[csv,wandb]"]
    tiny += ["logger.wandb.mode=offline"]
    done = subprocess.run(
        [*command, *tiny], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    runs = [p.parent for p in (tmp_path / "sweep").rglob("summary.json")]
    assert len(runs) == 4
    cells = {(s["strategy"], s["seed"]) for s in (json.loads((r / "summary.json").read_text()) for r in runs)}
    assert cells == {("random", 0), ("random", 1), ("margin", 0), ("margin", 1)}
    assert len({(r / "wandb_id").read_text() for r in runs}) == 4
    assert all(len(list((r / "wandb").glob("offline-run-*"))) == 1 for r in runs)
