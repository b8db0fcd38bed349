"""A stop in mid-epoch loses nothing of what a hook has: modules, optimisers, streams, pseudo-labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoal.processes.signals import EXIT_STOPPED
from tests.faults import lives
from tests.faults.lives import Fault

STEP = "autoal.training.lit:LitClassifier.training_step"
OPTIONS = {
    "loss_prediction": (),
    "waal": ("strategy.weight=0.1",),
    # Large batches: nearly all of the pool is pseudo-labelled.
    "ceal": ("strategy.threshold=2.2", "optimizer.lr=0.01", "loop.batch_size=64", "loop.n_rounds=2"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_stopped_in_mid_epoch_it_ends_like_one_that_was_left_alone(name: str, tmp_path: Path) -> None:
    config = lives.config(f"strategy={name}", *OPTIONS[name])
    assert lives.live(config, tmp_path / "whole") == 0, lives.log_of(tmp_path / "whole")
    stopped = tmp_path / "stopped"
    # One or three steps an epoch in the first round; the 17th step is in the middle of an epoch of the second.
    fault = Fault(STEP, 17, "send", {"signal": "SIGTERM"})
    assert lives.live(config, stopped, faults=[fault]) == EXIT_STOPPED, lives.log_of(stopped)
    assert lives.live(config, stopped, resume=True) == 0, lives.log_of(stopped)
    assert lives.outcome(stopped) == lives.outcome(tmp_path / "whole")
    if name == "ceal":
        assert any(float(r["ceal_pseudo_labels"] or 0) > 0 for r in lives.outcome(stopped)["rounds"])
