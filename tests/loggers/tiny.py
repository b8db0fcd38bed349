"""A small experiment for the tests of loggers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoal.run.experiment import Experiment
from tests.composed import composed

TINY = [
    "loop.n_init=20",
    "loop.n_query=10",
    "loop.n_rounds=2",
    "loop.epochs=3",
    "strategy=margin",
    "trainer=cpu",
]


def run_tiny(root: Path, run_dir: Path, *overrides: str) -> dict[str, Any]:
    return Experiment.build(composed(*TINY, *overrides), run_dir).run()
