"""File systems that know no locks: a file names the owner."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

from autoal.rundir.locks import STALE
from tests.faults import lives
from tests.faults.lives import Fault

NO_LOCKS = Fault("fcntl:flock", 1, "no_locks")
STOPPED = Fault("autoal.training.lit:LitClassifier.training_step", 14, "send", {"signal": "SIGSTOP"})


def test_one_writer_without_locks(tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg, run_dir = lives.config("strategy=margin"), tmp_path / "run"
    first = lives.start([(cfg, run_dir)], faults=[NO_LOCKS, STOPPED])
    assert first.pid is not None
    try:
        lives.wait_for(lambda: (run_dir / "checkpoints").exists() or first.exitcode is not None)
        assert lives.live(cfg, run_dir, resume=True, faults=[NO_LOCKS]) == 1
        log = lives.log_of(run_dir)
        assert f"another process is working in the run directory {run_dir}" in log
        assert "this file system knows no locks (No locks available); a file names the owner instead" in log
        first.kill()
        first.join()
        # Its owner's file is left behind, and nobody has to remove it by hand.
        assert (run_dir / ".lock.owner").exists()
        assert lives.live(cfg, run_dir, resume=True, faults=[NO_LOCKS]) == 0, lives.log_of(run_dir)
    finally:
        first.kill()
    assert not (run_dir / ".lock.owner").exists()
    assert lives.outcome(run_dir) == calm


def test_an_owner_elsewhere_counts_while_it_is_touched(tmp_path: Path) -> None:
    cfg, run_dir = lives.config("strategy=margin"), tmp_path / "run"
    kill = Fault("autoal.training.lit:LitClassifier.training_step", 12, "kill")
    assert lives.live(cfg, run_dir, faults=[kill]) == -signal.SIGKILL
    owner = run_dir / ".lock.owner"
    owner.write_text(json.dumps({"host": f"not-{socket.gethostname()}", "pid": 1, "born": "1"}))
    assert lives.live(cfg, run_dir, resume=True, faults=[NO_LOCKS]) == 1
    assert "another process is working" in lives.log_of(run_dir)
    touched = owner.stat().st_mtime - STALE - 5
    os.utime(owner, (touched, touched))
    assert lives.live(cfg, run_dir, resume=True, faults=[NO_LOCKS]) == 0, lives.log_of(run_dir)
