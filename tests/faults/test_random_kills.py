"""Kills at random moments, again and again over one experiment."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults import lives

KILLS = 30


@pytest.mark.slow
def test_thirty_random_kills(tmp_path: Path) -> None:
    cfg = lives.config("strategy=margin", "loop.n_rounds=12", "loop.epochs=8", "loop.checkpoint_every=1")
    whole = tmp_path / "whole"
    assert lives.live(cfg, whole) == 0, lives.log_of(whole)
    rng = random.Random(0)
    kills, endings = 0, 0
    # A fast machine ends one experiment after fewer kills; then another begins.
    while kills < KILLS or not endings:
        broken = tmp_path / f"broken{endings}"
        kills += killed_until_finished(cfg, broken, rng)
        endings += 1
        assert lives.outcome(broken) == lives.outcome(whole)


def killed_until_finished(cfg: dict[str, Any], run_dir: Path, rng: random.Random) -> int:
    """Start and kill one experiment until it has ended by itself; returns how often it was killed."""
    longest = 1.0
    for kills in range(400):
        process = lives.start([(cfg, run_dir)], resume=run_dir.exists())
        time.sleep(rng.uniform(0.1, longest))
        done = process.exitcode is not None
        process.kill()
        status = lives.end(process)
        if done or status == 0:
            assert status == 0, lives.log_of(run_dir)
            return kills
        assert status == -signal.SIGKILL, lives.log_of(run_dir)
        # Lives get longer after a while, so that a slow machine comes to the end, too.
        longest *= 1.5 if kills >= KILLS else 1.0
    raise AssertionError("the experiment never came to its end")
