"""What happens to one rank of two; the resumed run equals one on two ranks that nothing disturbed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from autoal.processes.signals import EXIT_STOPPED
from tests.faults import lives
from tests.faults.lives import Fault

STEP = "autoal.training.lit:LitClassifier.training_step"
LOOP = "autoal.loop.callback"


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("calm")
    assert lives.live_on_ranks({"run": lives.config("strategy=margin")}, folder, 2) == [0, 0]
    return lives.outcome(folder / "run")


@pytest.mark.ddp
@pytest.mark.parametrize(
    "fault",
    [
        Fault(STEP, 17, "kill"),
        pytest.param(Fault("autoal.loop.queries:pool_pass", 2, "kill"), marks=pytest.mark.slow),
        pytest.param(Fault("autoal.data.pool:Pool.add", 2, "kill_after"), marks=pytest.mark.slow),
    ],
    ids=["training", "pool pass", "purchase"],
)
def test_one_rank_is_killed(fault: Fault, tmp_path: Path, calm: dict[str, object]) -> None:
    cfgs = {"run": lives.config("strategy=margin")}
    first, second = lives.live_on_ranks(cfgs, tmp_path, 2, faults=[fault])
    assert second == -signal.SIGKILL
    assert first == 1, "rank 0 notices that its peer has gone"
    assert lives.live_on_ranks(cfgs, tmp_path, 2, resume=True) == [0, 0], lives.log_of(tmp_path / "run")
    assert lives.outcome(tmp_path / "run") == calm


@pytest.mark.ddp
def test_a_signal_to_one_rank_stops_both_at_the_same_step(tmp_path: Path, calm: dict[str, object]) -> None:
    cfgs = {"run": lives.config("strategy=margin")}
    fault = Fault(STEP, 6, "send", {"signal": "SIGTERM"})
    assert lives.live_on_ranks(cfgs, tmp_path, 2, faults=[fault]) == [EXIT_STOPPED] * 2, lives.log_of(
        tmp_path / "run"
    )
    assert lives.live_on_ranks(cfgs, tmp_path, 2, resume=True) == [0, 0], lives.log_of(tmp_path / "run")
    assert lives.outcome(tmp_path / "run") == calm
