"""The supervisor: ranks start together, stop together, and none is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from autoal.errors import AutoALError
from autoal.processes.launch import Placement, global_rank, local_devices, placed, placement
from autoal.processes.rendezvous import port_of_step
from autoal.processes.signals import StopRequest
from autoal.processes.supervisor import RankFailure, Ranks
from tests.faults import lives

CPU2 = {"strategy": "ddp", "accelerator": "cpu", "devices": 2, "num_nodes": 1}
OUTSIDE = ("LOCAL_RANK", "RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_STEP_NUM_TASKS", "SLURM_NODEID")


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)


def _ranks(folder: Path, code: str, size: int = 2) -> Ranks:
    envs = [{**os.environ, "LOCAL_RANK": str(r), "FOLDER": str(folder)} for r in range(size)]
    prelude = "import json, os, pathlib, signal, sys, time; rank = int(os.environ['LOCAL_RANK'])\n"
    prelude += (
        "folder = pathlib.Path(os.environ['FOLDER']); (folder / f'pid{rank}').write_text(str(os.getpid()))\n"
    )
    prelude += "def say(**report): (folder / f'rank{rank}.json').write_text(json.dumps(report))\n"
    return Ranks([sys.executable, "-c", prelude + code], envs, folder)


def _alive(folder: Path) -> list[int]:
    pids = [int(p.read_text()) for p in folder.glob("pid*")]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_rank_zero_reports(tmp_path: Path) -> None:
    ranks = _ranks(tmp_path, "say(summary={'rank': rank})")
    assert ranks.run(StopRequest()) == 0
    assert ranks.result() == {"rank": 0}


def test_a_killed_rank_is_named_and_the_others_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoal.processes.supervisor.LEAVE_PATIENCE", 0.5)
    code = "os.kill(os.getpid(), signal.SIGKILL) if rank == 1 else time.sleep(600)"
    with pytest.raises(
        RankFailure, match=r"rank 1 of 3 was killed by SIGKILL; all ranks have been stopped"
    ) as caught:
        _ranks(tmp_path, code, 3).run(StopRequest())
    assert caught.value.unexplained
    assert not _alive(tmp_path)


def test_a_broken_connection_is_not_the_cause(tmp_path: Path) -> None:
    code = (
        "\nif rank == 1: os.kill(os.getpid(), signal.SIGKILL)"
        "\nsay(error='connection reset', explained=False); sys.exit(1)"
    )
    with pytest.raises(RankFailure, match=r"rank 1 of 2 was killed by SIGKILL"):
        _ranks(tmp_path, code).run(StopRequest())


def test_an_explained_error_is_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoal.processes.supervisor.LEAVE_PATIENCE", 0.5)
    code = "\nif rank == 0: say(error='loop.n_query=0 is no number', explained=True); sys.exit(1)\ntime.sleep(600)"
    with pytest.raises(RankFailure, match=r"loop.n_query=0 is no number") as caught:
        _ranks(tmp_path, code).run(StopRequest())
    assert not caught.value.unexplained
    assert not _alive(tmp_path)


def test_stderr_of_another_rank_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RankFailure, match=r"rank 1 of 2 ended with status 7"):
        _ranks(tmp_path, "\nif rank == 1: print('out of luck', file=sys.stderr); sys.exit(7)").run(StopRequest())
    assert "rank 1: out of luck" in capfd.readouterr().err


def test_a_signal_goes_to_every_rank(tmp_path: Path) -> None:
    code = (
        "\nsignal.signal(signal.SIGUSR1, lambda s, f: (say(got=s), sys.exit(143)))"
        "\n(folder / f'ready{rank}').touch(); time.sleep(600)"
    )

    def send() -> None:
        lives.wait_for(lambda: len(list(tmp_path.glob("ready*"))) == 2)
        os.kill(os.getpid(), signal.SIGUSR1)

    stop = StopRequest()
    thread = threading.Thread(target=send)
    thread.start()
    assert _ranks(tmp_path, code).run(stop) == signal.SIGUSR1
    stop.restore()
    thread.join()
    assert [(tmp_path / f"rank{r}.json").read_text() for r in (0, 1)] == ['{"got": 10}'] * 2
    assert not _alive(tmp_path)


def test_where_processes_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert placement({"strategy": "auto", "devices": 1}) is None
    assert placement({**CPU2, "devices": 1}) is None
    place = placement(CPU2)
    assert place is not None
    assert (place.local, place.world_size, place.address) == (2, 2, "127.0.0.1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert placed()
    assert placement(CPU2) is None, "torchrun has started the ranks already"
    assert global_rank() == 1
    monkeypatch.setenv("RANK", "5")
    assert global_rank() == 5


def test_slurm_tasks_are_ranks_or_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "3")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv("SLURM_STEP_NUM_NODES", "2")
    assert placed()
    assert global_rank() == 3
    for name, value in {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NODEID": "1", "SLURM_JOB_ID": "30007"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "node-a")
    assert not placed(), "one task per node starts the ranks of its node"
    port = port_of_step({"SLURM_JOB_ID": "30007"})
    assert placement({**CPU2, "num_nodes": 2}) == Placement(2, 2, 1, "node-a", port)


def test_tasks_that_are_not_the_ranks_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROCID": "0", "STEP_NUM_TASKS": "2", "STEP_NUM_NODES": "1"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert placement(CPU2) is None, "srun -n2 with two devices is as it should be"
    with pytest.raises(AutoALError, match=r"2 tasks for an experiment of one process; use srun --ntasks=1, or"):
        placement({**CPU2, "strategy": "auto", "devices": 1})
    with pytest.raises(AutoALError, match=r"set trainer.devices=2 trainer.num_nodes=1, or start one task per"):
        placement({**CPU2, "devices": 4})
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(SystemExit):
        placement({**CPU2, "devices": 4})  # the first task has said it


def test_nodes_that_nobody_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AutoALError, match=r"trainer.num_nodes=2, but nothing starts the other machines"):
        placement({**CPU2, "num_nodes": 2})
    with pytest.raises(AutoALError, match=r"trainer.devices=many"):
        local_devices({**CPU2, "devices": "many"})
    with pytest.raises(AutoALError, match=r"trainer.devices=0"):
        local_devices({**CPU2, "devices": 0})
    assert local_devices({**CPU2, "devices": [0, 3]}) == 2
    assert local_devices({**CPU2, "devices": "auto"}) == 1


STOPPED = """
import runpy, sys, threading, time, types
class Experiment:
    @classmethod
    def build(cls, *given):
        return cls()
    def run(self, resume):
        # As a process group whose peers are gone: the interpreter's own way out waits for it.
        threading.Thread(target=time.sleep, args=(600,)).start()
        raise SystemExit(143)
sys.modules["autoal.run.experiment"] = types.SimpleNamespace(Experiment=Experiment)
runpy.run_module("autoal.run.rank", run_name="__main__")
"""


def test_a_rank_that_has_saved_leaves_at_once(tmp_path: Path) -> None:
    job = {"config": {}, "run_dir": str(tmp_path), "overrides": [], "resume": False, "parent": os.getpid()}
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "job.json")]
    done = subprocess.run(command, env={**os.environ, "LOCAL_RANK": "0"}, timeout=120, check=False)
    assert done.returncode == 143


# --- the real thing -------------------------------------------------------------------------------------


def _train(*overrides: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "train.py", *lives.TINY, "trainer=ddp_cpu", "strategy=margin", *overrides]
    return subprocess.Popen(
        command,
        cwd=lives.ROOT,
        env={**os.environ, **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _workers(supervisor: int) -> list[int]:
    text = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
    return [int(pid) for pid in text.split()]


LONG = ("loop.n_rounds=400", "loop.n_query=1", "loop.epochs=2")


@pytest.mark.ddp
@pytest.mark.slow
def test_one_rank_of_two_is_killed(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = _train(*LONG, f"paths.run_dir={run_dir}")
    lives.wait_for(lambda: len(lives.bought(run_dir)) > 25 if (run_dir / "ledger.jsonl").exists() else False)
    workers = _workers(process.pid)
    os.kill(workers[1], signal.SIGKILL)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: rank 1 of 2 was killed by SIGKILL; all ranks have been stopped" in text
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    assert '"status": "failed"' in (run_dir / "summary.json").read_text()
    before = lives.bought(run_dir)
    again = _train(*LONG, f"resume={run_dir}")
    lives.wait_for(lambda: len(lives.bought(run_dir)) > len(before) + 3)
    workers = _workers(again.pid)
    again.send_signal(signal.SIGTERM)
    text, _ = again.communicate(timeout=60)
    assert again.returncode == 143, text
    # The interpreter that printed it, which may not be the one that "python" finds.
    assert re.search(rf"stopped by SIGTERM; continue with: \S*python\S* train\.py resume={run_dir}$", text, re.M)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    ids = [i for _, i in lives.bought(run_dir)]
    assert lives.bought(run_dir)[: len(before)] == before
    assert len(set(ids)) == len(ids)


@pytest.mark.ddp
@pytest.mark.slow
def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = _train(*LONG, f"paths.run_dir={run_dir}")
    lives.wait_for((run_dir / "ledger.jsonl").exists)
    workers = _workers(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()
    lives.wait_for(lambda: not any(_running(pid) for pid in workers))


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.ddp
@pytest.mark.slow
def test_two_machines(tmp_path: Path) -> None:
    port = str(lives.free_port())
    run_dir = tmp_path / "run"
    nodes = [
        _train(
            "trainer.devices=1",
            "trainer.num_nodes=2",
            f"paths.run_dir={run_dir if n == 0 else tmp_path / 'other'}",
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port,
            NODE_RANK=str(n),
        )
        for n in (0, 1)
    ]
    texts = [node.communicate(timeout=120)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], texts
    assert lives.outcome(run_dir)["summary"]["status"] == "finished"
    assert not (tmp_path / "other").exists()
