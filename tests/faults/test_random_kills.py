"""Kills at random moments, again and again over one experiment."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults import lives

KILLS = 30


@pytest.mark.slow
def test_thirty_random_kills(tmp_path: Path) -> None:
    cfg = lives.config("strategy=margin", "loop.n_rounds=12", "loop.epochs=8", "loop.checkpoint_every=1")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert lives.live(cfg, whole) == 0, lives.log_of(whole)
    rng = random.Random(0)
    kills, longest = 0, 1.0
    for _ in range(400):
        process = lives.start([(cfg, broken)], resume=broken.exists())
        time.sleep(rng.uniform(0.1, longest))
        done = process.exitcode is not None
        process.kill()
        status = lives.end(process)
        if done:
            assert status == 0, lives.log_of(broken)
            break
        kills += status == -signal.SIGKILL
        # Lives get longer once there have been enough of them, so that the last one can finish.
        longest = 1.0 if kills < KILLS else longest * 1.5
    assert kills >= KILLS
    assert lives.outcome(broken) == lives.outcome(whole)
