"""The launchers' presets and what they hand to each run; no SLURM needed."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf

from autoal.errors import AutoALError
from autoal.processes.signals import StopRequest
from autoal.sweeps.cells import Cell
from hydra_plugins.autoal_launchers.local_pool import LocalPoolLauncher, _Pool
from hydra_plugins.autoal_launchers.slurm import SlurmLauncher
from tests.faults.lives import ROOT


def _preset(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", overrides=list(overrides), return_hydra_config=True)
    raw = OmegaConf.to_container(config.hydra.launcher, resolve=False)
    launcher = OmegaConf.create(
        {"trainer": config.trainer, "hydra": {"launcher": raw, "sweep": {"dir": "sweeps/x"}}}
    )
    plain = OmegaConf.to_container(launcher.hydra.launcher, resolve=True)
    assert isinstance(plain, dict)
    return {str(k): v for k, v in plain.items()}


def test_presets_are_plugins_that_hydra_finds() -> None:
    found = {plugin.__name__ for plugin in Plugins.instance().discover(Launcher)}
    assert {"LocalPoolLauncher", "SlurmLauncher"} <= found
    for name, kind in (("slurm", SlurmLauncher), ("local_pool", LocalPoolLauncher)):
        assert _preset(f"hydra/launcher={name}")["_target_"] == f"{kind.__module__}.{kind.__name__}"


def test_slurm_nodes_follow_the_trainer() -> None:
    preset = _preset("hydra/launcher=slurm", "trainer=ddp", "trainer.num_nodes=2")
    assert preset["nodes"] == 2
    assert preset["tasks_per_node"] == 1
    assert preset["additional_parameters"] == {"requeue": True}
    assert preset["max_num_timeout"] > 0, "a run may reach its time limit more than once"


def test_local_pool_deals_devices_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    pool = LocalPoolLauncher()
    assert pool.slots == 2
    assert [pool.environment(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(2)] == ["4", "6"]
    assert pool.environment(0)["OMP_NUM_THREADS"] == "4"
    assert LocalPoolLauncher(processes=3, devices=[0]).environment(2)["CUDA_VISIBLE_DEVICES"] == "0"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert LocalPoolLauncher().slots == 4, "one per two cores without a GPU"
    with pytest.raises(AutoALError, match=r"hydra\.launcher\.processes=-1"):
        LocalPoolLauncher(processes=-1)


def test_a_pool_reports_how_each_run_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = LocalPoolLauncher(processes=2)
    monkeypatch.setattr(launcher, "payload", lambda cell: cell.name.encode())
    # In place of autoal.sweeps.process: a run that answers, one that fails, one that dies.
    code = (
        "import json, os, pathlib, signal, sys; p = pathlib.Path(sys.argv[-1]); n = p.stem\n"
        "if n == '2': os.kill(os.getpid(), signal.SIGKILL)\n"
        "answer = {'value': 0.5} if n == '0' else {'error': 'loop.n_query=0'}\n"
        "p.with_suffix('.result').write_text(json.dumps(answer))"
    )
    monkeypatch.setattr("hydra_plugins.autoal_launchers.local_pool.CELL", [sys.executable, "-c", code])
    every = [Cell([f"seed={n}"], n, OmegaConf.create({}), tmp_path / f"seed={n}") for n in range(3)]
    stop = StopRequest()
    ended = {cell.number: result for cell, result in _Pool(launcher, tmp_path, stop).run(deque(every))}
    assert ended[0].return_value == 0.5
    assert ended[0].status == JobStatus.COMPLETED
    for number, message in ((1, "loop.n_query=0"), (2, "seed=2 was killed by SIGKILL; its output is in")):
        with pytest.raises(AutoALError, match=message):
            _ = ended[number].return_value
