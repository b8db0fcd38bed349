"""What a local pool deals out, and how it says that a run ended; with stand-ins for the runs."""

from __future__ import annotations

import signal
import sys
from collections import deque
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from autoal.errors import AutoALError
from autoal.processes.signals import StopRequest
from autoal.sweeps.cells import Cell
from autoal.sweeps.devices import Devices
from autoal.sweeps.ends import End
from autoal.sweeps.workers import Limit, Workers
from hydra_plugins.autoal_launchers.local_pool import LocalPoolLauncher

STAND_IN = """
import json, os, pathlib, signal, sys, time
path, kind = pathlib.Path(sys.argv[-2]), pathlib.Path(sys.argv[-2]).read_text()
if kind == "killed": os.kill(os.getpid(), signal.SIGKILL)
if kind == "saves":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    time.sleep(60)
if kind == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
if kind == "fails":
    path.with_suffix(".error").write_text(json.dumps("loop.n_query=0"))
    sys.exit(1)
"""


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, End]:
    """One run of each kind, and how the pool says that it ended."""
    monkeypatch.setattr("autoal.sweeps.workers.CELL", [sys.executable, "-c", STAND_IN])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    kinds = ("finishes", "fails", "killed", "saves", "hangs")
    every = [Cell([f"kind={kind}"], n, OmegaConf.create({}), tmp_path / kind) for n, kind in enumerate(kinds)]
    before = signal.getsignal(signal.SIGTERM)
    workers = Workers(
        Devices(processes=5),
        lambda cell: cell.run_dir.name.encode(),
        tmp_path,
        StopRequest(),
        Limit(seconds=1.5, notice=1.0),
    )
    found = {end.cell.run_dir.name: end for end in workers.run(deque(every))}
    assert signal.getsignal(signal.SIGTERM) == before
    return found


def test_a_pool_says_how_each_run_ended(ends: dict[str, End]) -> None:
    assert {kind: end.state for kind, end in ends.items()} == {
        "finishes": "finished", "fails": "failed", "killed": "failed", "saves": "stopped", "hangs": "failed",
    }  # fmt: skip
    log = ends["fails"].cell.run_dir / "output.log"
    assert ends["fails"].line == f"failed: kind=fails: loop.n_query=0 (log: {log})"
    assert "killed by SIGKILL" in ends["killed"].line
    assert "its time limit of 0.025 min was over; the same command goes on" in ends["saves"].line
    assert "time limit of 0.025 min was over, and it did not stop when it was told to" in ends["hangs"].line
    with pytest.raises(AutoALError, match=r"kind=fails failed: loop\.n_query=0"):
        _ = ends["fails"].returned().return_value


def _trainer(strategy: str = "auto", devices: object = 1, accelerator: str = "auto", num_nodes: int = 1) -> object:
    values = {"strategy": strategy, "devices": devices, "accelerator": accelerator, "num_nodes": num_nodes}
    return OmegaConf.create(values)


def test_gpus_and_cores_are_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    devices = Devices()
    assert devices.processes == 2
    first, second = devices.take(1), devices.take(1)
    assert (first, second, devices.take(1)) == (["4"], ["6"], None)
    assert devices.environment(["4"], 1) == {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "4"}
    devices.give_back(["4"])
    assert devices.take(2) is None, "one is still at work"
    devices.give_back(["6"])
    assert devices.take(2) == ["4", "6"]
    shared = Devices(processes=3, gpus=[0])
    assert [shared.take(1) for _ in range(4)] == [["0"], ["0"], ["0"], None]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Devices().processes == 4, "one per two cores without a GPU"
    assert Devices().environment([], 2) == {"OMP_NUM_THREADS": "1"}
    with pytest.raises(AutoALError, match=r"hydra\.launcher\.processes=-1"):
        Devices(processes=-1)


def test_several_devices_for_one_run() -> None:
    pool = Devices(gpus=[0, 1])
    assert pool.wanted(_trainer()) == 1
    assert pool.wanted(_trainer("ddp", 2)) == 2
    assert pool.wanted(_trainer("ddp", "auto")) == 2
    assert pool.wanted(_trainer("ddp", 3, accelerator="cpu")) == 3
    with pytest.raises(AutoALError, match=r"trainer\.devices=4, but hydra/launcher=local_pool has 2 GPUs"):
        pool.wanted(_trainer("ddp", 4))
    with pytest.raises(AutoALError, match=r"trainer\.num_nodes=2; use hydra/launcher=slurm"):
        pool.wanted(_trainer("ddp", 1, num_nodes=2))
    with pytest.raises(AutoALError, match=r"give their number, trainer\.devices=2"):
        pool.wanted(_trainer("ddp", [2, 3]))


def test_a_time_limit_that_leaves_no_time_is_refused() -> None:
    with pytest.raises(AutoALError, match=r"signal_delay_s=120 leaves nothing of hydra\.launcher\.timeout_min=1"):
        LocalPoolLauncher(timeout_min=1)
