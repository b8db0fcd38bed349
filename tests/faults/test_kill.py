"""kill -9 at every point where something could be lost; the resumed run equals the one that nothing disturbed."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.composed import plain
from tests.faults import lives
from tests.faults.lives import Fault

LOOP = "autoal.loop.callback"

POINTS = {
    "before the initial set": Fault("autoal.rundir.ledger:Ledger.append", 1, "kill"),
    "initial set, ledger before pool": Fault("autoal.rundir.ledger:Ledger.append", 1, "kill_after"),
    "training": Fault("autoal.training.lit:LitClassifier.training_step", 17, "kill"),
    "last step of a round": Fault("autoal.training.lit:LitClassifier.training_step", 12, "kill_after"),
    "test evaluation": Fault(f"{LOOP}:evaluate", 2, "kill"),
    "pool pass": Fault("autoal.loop.queries:pool_pass", 2, "kill"),
    "selection": Fault("autoal.query.contract:ScoreStrategy.select", 2, "kill"),
    "torn ledger line": Fault("autoal.rundir.ledger:Ledger.append", 2, "torn_line"),
    "between ledger and pool": Fault("autoal.rundir.ledger:Ledger.append", 3, "kill_after"),
    "after the pool": Fault("autoal.data.pool:Pool.add", 3, "kill_after"),
    "rounds.csv": Fault("autoal.rundir.directory:RunDir.write_rounds", 2, "kill"),
    "report": Fault("autoal.loggers.files:FileListener.round", 2, "kill"),
    "first checkpoint": Fault("torch:save", 1, "half_file"),
    "checkpoint write": Fault("torch:save", 4, "half_file"),
    "checkpoint, before the rename": Fault("autoal.rundir.checkpoints:previous", 2, "kill"),
    "checkpoint, between the renames": Fault("autoal.rundir.checkpoints:previous", 2, "kill_after"),
    "last summary": Fault("autoal.rundir.directory:RunDir.write_summary", 2, "kill"),
}


QUICK = ("training", "pool pass", "torn ledger line", "between ledger and pool", "report", "checkpoint write")


@pytest.mark.parametrize("point", [p if p in QUICK else pytest.param(p, marks=pytest.mark.slow) for p in POINTS])
def test_resumed_run_equals_undisturbed_one(point: str, tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    assert lives.live(cfg, run_dir, faults=[POINTS[point]]) == -signal.SIGKILL, lives.log_of(run_dir)
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert lives.outcome(run_dir) == calm


@pytest.mark.slow
def test_killed_twice_at_the_same_point_and_once_more(tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    lives.live(cfg, run_dir, faults=[POINTS["between ledger and pool"]])
    # The resumed life replays what the ledger has and buys the next query as its first.
    again = Fault("autoal.rundir.ledger:Ledger.append", 1, "kill_after")
    assert lives.live(cfg, run_dir, resume=True, faults=[again]) == -signal.SIGKILL
    assert lives.live(cfg, run_dir, resume=True, faults=[POINTS["training"]]) in (0, -signal.SIGKILL)
    assert lives.live(cfg, run_dir, resume=True) == 0
    assert lives.outcome(run_dir) == calm


SCHEDULED = (
    "optimizer=sgd",
    "optimizer.lr=0.05",
    "loop.checkpoint_every=1",
    "loop.n_val=11",
    "loop.keep_best=true",
    "loop.warm_start=true",
)


@pytest.mark.slow
def test_schedule_momentum_and_best_weights_survive(tmp_path: Path) -> None:
    cfg = lives.config("strategy=entropy_mc", *SCHEDULED)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert lives.live(cfg, whole) == 0, lives.log_of(whole)
    for nth in (8, 11, 5):
        fault = Fault("autoal.training.lit:LitClassifier.training_step", nth, "kill")
        status = lives.live(cfg, broken, resume=broken.exists(), faults=[fault])
        assert status == -signal.SIGKILL, lives.log_of(broken)
    assert lives.live(cfg, broken, resume=True) == 0, lives.log_of(broken)
    assert lives.outcome(broken) == lives.outcome(whole)


def killed_once_equals_whole(cfg: dict[str, Any], fault: Fault, tmp_path: Path) -> None:
    """A run that is killed by a fault and resumed is the undisturbed one."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert lives.live(cfg, whole) == 0, lives.log_of(whole)
    assert lives.live(cfg, broken, faults=[fault]) == -signal.SIGKILL, lives.log_of(broken)
    assert lives.live(cfg, broken, resume=True) == 0, lives.log_of(broken)
    assert lives.outcome(broken) == lives.outcome(whole)


@pytest.mark.parametrize("name", ["uherding", pytest.param("autoal", marks=pytest.mark.slow)])
def test_what_is_kept_of_frozen_features_changes_nothing(name: str, tmp_path: Path) -> None:
    # The linear network's features are its inputs: from the second query on of a life, their products are kept.
    cfg = plain(
        "trainer=cpu", "dataset=digits", "backbone=linear", "optimizer=lbfgs", "loop=foundation",
        "loop.n_init=20", "loop.n_rounds=5", f"strategy={name}",
    )  # fmt: skip
    killed_once_equals_whole(cfg, Fault("autoal.data.pool:Pool.add", 4, "kill_after"), tmp_path)


SLOW_SEMI = ("pseudo_label", "mean_teacher", "fixmatch", "freematch", "softmatch")


@pytest.mark.parametrize("name", ["flexmatch", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_SEMI)])
def test_average_thresholds_and_unlabelled_draws_survive(name: str, tmp_path: Path) -> None:
    sizes = ("loop.steps_per_epoch=3", "loop.n_rounds=1", "loop.checkpoint_every=1", "training.ratio=2")
    cfg = lives.config("strategy=margin", f"training={name}", "training.warmup=0.1", *sizes)
    if "threshold" in cfg["training"]:
        cfg["training"]["threshold"] = 0.3
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert lives.live(cfg, whole) == 0, lives.log_of(whole)
    # Within an epoch, whose first steps are repeated, and by a signal, which saves within one.
    fault = Fault("autoal.training.lit:LitClassifier.training_step", 8, "kill")
    assert lives.live(cfg, broken, faults=[fault]) == -signal.SIGKILL, lives.log_of(broken)
    fault = Fault("autoal.training.lit:LitClassifier.training_step", 5, "send", {"signal": "SIGTERM"})
    assert lives.live(cfg, broken, resume=True, faults=[fault]) == 128 + signal.SIGTERM, lives.log_of(broken)
    assert lives.live(cfg, broken, resume=True) == 0, lives.log_of(broken)
    assert lives.outcome(broken) == lives.outcome(whole)


def test_killed_during_the_search(tmp_path: Path) -> None:
    cfg = lives.config("strategy=autoal_search", "loop.n_rounds=2")
    killed_once_equals_whole(cfg, Fault("autoal.search.loop:Search.searchnet_step", 9, "kill"), tmp_path)
