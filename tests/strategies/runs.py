"""Whole experiments on digits, small enough for a test, and the same experiments killed and resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autoal.run.experiment import Experiment
from autoal.rundir.directory import RunDir
from tests.composed import composed

SMALL = ("dataset=digits", "trainer=cpu", "loop.n_rounds=3", "loop.epochs=8", "backbone.hidden=[32]")


class KilledError(Exception):
    """Stands for a kill."""


def experiment(run_dir: Path, *overrides: str) -> Experiment:
    """Build an experiment as the command line does."""
    return Experiment.build(composed(*SMALL, *overrides), run_dir)


def ledger(run_dir: Path) -> list[dict[str, Any]]:
    """Return the ledger's lines without their time."""
    lines = [json.loads(line) for line in (run_dir / "ledger.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "time"} for line in lines]


def rows(run_dir: Path) -> pd.DataFrame:
    """Return the rounds without their times."""
    frame = pd.read_csv(run_dir / "rounds.csv")
    return frame.drop(columns=[c for c in frame.columns if "seconds" in c])


def killed_and_resumed(run_dir: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    """Run an experiment that dies between buying a batch and saving, and resume it to its end."""

    write = RunDir.write_rounds

    def die(self: RunDir, drawn: list[dict[str, Any]]) -> None:
        if len(drawn) == 2:
            raise KilledError
        write(self, drawn)

    with monkeypatch.context() as patch:
        patch.setattr(RunDir, "write_rounds", die)
        with pytest.raises(KilledError):
            experiment(run_dir, *overrides).run()
    experiment(run_dir, *overrides).run(resume=True)


def assert_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    """Check that a killed and resumed experiment ends like one that was left alone."""
    overrides = ("loop.n_rounds=2", "loop.epochs=4", *overrides)
    experiment(tmp_path / "whole", *overrides).run()
    killed_and_resumed(tmp_path / "resumed", monkeypatch, *overrides)
    assert ledger(tmp_path / "resumed") == ledger(tmp_path / "whole")
    pd.testing.assert_frame_equal(rows(tmp_path / "resumed"), rows(tmp_path / "whole"), check_exact=True)
