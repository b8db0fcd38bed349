"""A small experiment for the tests of loggers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir

from autoal.run.experiment import Experiment

TINY = [
    "loop.n_init=20",
    "loop.n_query=10",
    "loop.n_rounds=2",
    "loop.epochs=3",
    "strategy=margin",
    "trainer=cpu",
]


def run_tiny(root: Path, run_dir: Path, *overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("train", overrides=[*TINY, *overrides])
    return Experiment.build(config, run_dir).run()
