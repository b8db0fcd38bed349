"""A disk that fills up, files that rot, and a clock that goes backwards."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from autoal.rundir.checkpoints import find_checkpoint, previous
from tests.faults import lives
from tests.faults.lives import Fault

SAVE = "autoal.rundir.checkpoints:AtomicCheckpointIO.save_checkpoint"


def test_disk_full_while_writing_the_checkpoint(tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    fault = Fault(SAVE, 3, "small_files", {"bytes": 9000})
    assert lives.live(cfg, run_dir, faults=[fault]) == 1
    log = lives.log_of(run_dir)
    assert "error: cannot write" in log
    assert "last.ckpt" in log
    assert find_checkpoint(run_dir / "checkpoints" / "last.ckpt") is not None
    assert not list((run_dir / "checkpoints").glob("*.tmp")), "a half-written file is left"
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "failed"
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert lives.outcome(run_dir) == calm


@pytest.mark.parametrize("options", [{"bytes": 2400}, {"bytes": 2450}], ids=["first line", "within the lines"])
def test_disk_full_while_writing_the_ledger(tmp_path: Path, calm: dict[str, Any], options: dict[str, int]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    fault = Fault("autoal.rundir.ledger:Ledger.append", 2, "small_files", options)
    assert lives.live(cfg, run_dir, faults=[fault]) == 1
    assert f"error: cannot write {run_dir / 'ledger.jsonl'}: File too large" in lives.log_of(run_dir)
    assert len(lives.bought(run_dir)) == 21, "part of a purchase is left in the ledger"
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert lives.outcome(run_dir) == calm


def test_no_space_for_figures_or_rows_names_the_file(tmp_path: Path) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    fault = Fault("os:fsync", 6, "no_space")
    assert lives.live(cfg, run_dir, faults=[fault]) == 1
    assert "No space left on device" in lives.log_of(run_dir)


def test_a_rotten_checkpoint_gives_way_to_the_one_before(tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    lives.live(cfg, run_dir, faults=[Fault("autoal.training.lit:LitClassifier.training_step", 30, "kill")])
    last = run_dir / "checkpoints" / "last.ckpt"
    raw = bytearray(last.read_bytes())
    for where in range(len(raw) // 2, len(raw) // 2 + 40):  # inside a tensor, where a load notices nothing
        raw[where] ^= 0xFF
    last.write_bytes(bytes(raw))
    found = find_checkpoint(last)
    assert found is not None
    assert found.path == previous(last)
    assert lives.live(cfg, run_dir, resume=True) == 0
    assert "trying the one before it" in lives.log_of(run_dir)
    assert lives.outcome(run_dir) == calm


def test_both_checkpoints_gone_the_ledger_still_counts(tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    lives.live(cfg, run_dir, faults=[Fault("autoal.training.lit:LitClassifier.training_step", 40, "kill")])
    bought = lives.bought(run_dir)
    last = run_dir / "checkpoints" / "last.ckpt"
    for path in (last, previous(last)):
        path.write_bytes(path.read_bytes()[:1000])
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert lives.bought(run_dir)[: len(bought)] == bought
    assert lives.outcome(run_dir) == calm


def test_a_ledger_that_lost_lines_is_refused(tmp_path: Path) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    lives.live(cfg, run_dir, faults=[Fault("autoal.training.lit:LitClassifier.training_step", 30, "kill")])
    ledger = run_dir / "ledger.jsonl"
    ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[:-3]))
    assert lives.live(cfg, run_dir, resume=True) == 1
    assert f"error: {ledger} holds 38 labels, but the checkpoint's pool 41" in lives.log_of(run_dir)


def test_clock_going_backwards(tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    fault = Fault("autoal.training.lit:LitClassifier.training_step", 15, "clock_back")
    assert lives.live(cfg, run_dir, faults=[fault]) == 0, lives.log_of(run_dir)
    times = [datetime.fromisoformat(json.loads(x)["time"]) for x in (run_dir / "ledger.jsonl").open()]
    assert times[-1] < times[0], "the test's clock did not go back"
    summary = json.loads((run_dir / "summary.json").read_text())
    assert 0 < summary["seconds"] < 3600
    assert lives.outcome(run_dir) == calm
