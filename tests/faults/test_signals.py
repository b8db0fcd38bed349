"""Signals that ask a run to stop: it saves, says how to go on and leaves with the documented status."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

from autoal.processes.signals import EXIT_INTERRUPTED, EXIT_STOPPED, Stopped, StopRequest
from tests.faults import lives
from tests.faults.lives import Fault

STEP = "autoal.training.lit:LitClassifier.training_step"
LOOP = "autoal.loop.callback"

STATUS = {
    "SIGTERM": EXIT_STOPPED,
    "SIGUSR1": EXIT_STOPPED,
    "SIGUSR2": EXIT_STOPPED,
    "SIGINT": EXIT_INTERRUPTED,
}


@pytest.mark.parametrize(
    "name", ["SIGTERM", "SIGINT", *(pytest.param(n, marks=pytest.mark.slow) for n in ("SIGUSR1", "SIGUSR2"))]
)
def test_stops_within_the_epoch_and_continues_there(name: str, tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    # 21 labels in batches of 8 make 3 steps an epoch: the 17th is the second step of the second round's epoch.
    fault = Fault(STEP, 17, "send", {"signal": name})
    assert lives.live(cfg, run_dir, faults=[fault]) == STATUS[name], lives.log_of(run_dir)
    assert f"stopped by {name}; continue with: python train.py resume={run_dir}" in lives.log_of(run_dir)
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "interrupted"
    saved = torch.load(run_dir / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["callbacks"]["ActiveLearning"]["steps_done"] == 1
    # The same moment in the resumed life comes 16 steps earlier.
    again = Fault(STEP, 6, "send", {"signal": name})
    assert lives.live(cfg, run_dir, resume=True, faults=[again]) == STATUS[name]
    assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert lives.outcome(run_dir) == calm


@pytest.mark.parametrize(
    "fault",
    [
        Fault("autoal.loop.queries:pool_pass", 1, "send", {"signal": "SIGTERM"}),
        Fault("autoal.rundir.ledger:Ledger.append", 2, "send", {"signal": "SIGTERM"}),
        Fault(STEP, 12, "send", {"signal": "SIGTERM"}),
        Fault("autoal.loggers.files:FileListener.round", 4, "send", {"signal": "SIGTERM"}),
    ],
    ids=["pool pass", "purchase", "last step of a round", "last round"],
)
def test_stops_between_trainings(fault: Fault, tmp_path: Path, calm: dict[str, Any]) -> None:
    cfg = lives.config("strategy=margin")
    run_dir = tmp_path / "run"
    status = lives.live(cfg, run_dir, faults=[fault])
    # After the last round there is nothing to come back for.
    assert status == (0 if fault.nth == 4 else EXIT_STOPPED), lives.log_of(run_dir)
    assert len(lives.bought(run_dir)) in (21, 31, 51)
    if status:
        assert lives.live(cfg, run_dir, resume=True) == 0, lives.log_of(run_dir)
    assert lives.outcome(run_dir) == calm


def test_a_purchase_is_whole_before_the_stop() -> None:
    stop = StopRequest()
    stop.install()
    try:
        with pytest.raises(Stopped) as caught:  # noqa: PT012  the block is what is tested
            with stop.waiting():
                signal.raise_signal(signal.SIGTERM)
                done = True
            stop.check()
        assert done
        assert caught.value.signum == signal.SIGTERM
        with pytest.raises(Stopped), stop.waiting(), stop.at_once():
            pytest.fail("a stop that came before must not begin a query")
        with pytest.raises(Stopped), stop.waiting():
            signal.raise_signal(signal.SIGINT)  # a second request, by hand, does not wait
    finally:
        stop.restore()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_batch_systems_handler_runs_after_the_save() -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda signum, frame: calls.append(signum))
    try:
        stop = StopRequest()
        stop.install()
        stop.wait()
        signal.raise_signal(signal.SIGUSR2)
        assert not calls
        with pytest.raises(SystemExit) as end:
            stop.leave(stop.signum)
        assert end.value.code == EXIT_STOPPED
        assert calls == [signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize(("status", "ends"), [(-signal.SIGTERM, SystemExit), (1, subprocess.CalledProcessError)])
def test_a_requeue_that_ends_its_own_command_is_no_error(status: int, ends: type[BaseException]) -> None:
    def requeue(signum: int, frame: FrameType | None) -> None:
        raise subprocess.CalledProcessError(status, ["scontrol", "requeue", "6"])

    before = signal.signal(signal.SIGUSR2, requeue)
    try:
        stop = StopRequest()
        stop.install()
        with pytest.raises(ends):
            stop.leave(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
