"""Several processes of one experiment on a real SLURM: tasks as ranks, lost ranks, a stop in a long query."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ddp.test_lost import LONG, SHORT
from tests.faults import lives
from tests.slurm.cluster import Cluster
from tests.slurm.sweeps import no_delay

pytestmark = pytest.mark.slurm

SHORT_RUN = ("strategy=margin", "loop.n_rounds=2", "loop.epochs=2")


def _srun(cluster: Cluster, *words: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["srun", *words],
        cwd=lives.ROOT,
        env={**cluster.env, "OMP_NUM_THREADS": "1", **more},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _train(run_dir: Path, *overrides: str) -> list[str]:
    return [sys.executable, "train.py", *lives.TINY, f"paths.run_dir={run_dir}", *overrides]


@pytest.mark.parametrize("words", [["-n2"], ["--nodes=1", "--ntasks-per-node=2"]], ids=["-n2", "per node"])
def test_tasks_are_ranks(cluster: Cluster, words: list[str], tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    process = _srun(cluster, *words, *_train(run_dir, "trainer=ddp_cpu", *SHORT_RUN))
    text, _ = process.communicate(timeout=180)
    assert process.returncode == 0, text
    alone = tmp_path / "alone"
    assert lives.live(lives.config(*SHORT_RUN), alone) == 0
    assert [r for r, _ in lives.bought(run_dir)] == [r for r, _ in lives.bought(alone)]
    assert '"world_size": 2' in (run_dir / "summary.json").read_text()


def test_tasks_that_do_not_fit_are_one_line(cluster: Cluster, tmp_path: Path) -> None:
    process = _srun(cluster, "-n2", *_train(tmp_path / "run", "trainer=cpu", *SHORT_RUN))
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert (
        len(re.findall(r"^error: srun has started 2 tasks for an experiment of one process; use", text, re.M)) == 1
    )
    assert "Traceback" not in text
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("signum", [signal.SIGSTOP, signal.SIGKILL])
def test_a_lost_task_is_named(cluster: Cluster, signum: int, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    words = ("-n2", "--kill-on-bad-exit=1")
    process = _srun(cluster, *words, *_train(run_dir, *LONG, SHORT))
    ledger = run_dir / "ledger.jsonl"
    lives.wait_for(lambda: ledger.exists() and len(lives.bought(run_dir)) > 23, limit=120)
    victim = _task(run_dir, 1)
    os.kill(victim, signum)
    text, _ = process.communicate(timeout=180)
    assert process.returncode != 0
    if signum == signal.SIGSTOP:
        line = rf"^error: rank 1 of 2 \(process {victim} on .*\) gave no sign of life for 19 s"
        assert len(re.findall(line, text, re.M)) == 1, text
    else:
        assert "task 1: Killed" in text, "srun says it and ends the other task"
    assert json.loads((run_dir / "summary.json").read_text())["status"] in ("failed", "interrupted")


def _task(run_dir: Path, rank: int) -> int:
    """Return the process of a task, which the node's daemon started."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")
            env = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = f"paths.run_dir={run_dir}".encode() in command and command[0] == sys.executable.encode()
        if ours and f"SLURM_PROCID={rank}".encode() in env:
            return int(path.name)
    raise AssertionError(f"no task {rank}")


SLOW_QUERY = """\
import os, signal, time
from pathlib import Path

from autoal.strategies.uncertainty import Margin


class Stubborn(Margin):
    \"\"\"Takes ten minutes in the first life of a job; one rank is then deaf, as if it waited for a GPU.\"\"\"

    def select(self, ctx, n):
        if os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
            if ctx.task.data.world.rank == 1:
                for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
                    signal.signal(signum, signal.SIG_IGN)
                Path(os.environ["IN_QUERY"]).touch()
            for _ in range(6000):
                time.sleep(0.1)
        return super().select(ctx, n)
"""


def test_a_stop_in_a_long_query_requeues_the_job(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(SLOW_QUERY)
    in_query = tmp_path / "in_query"
    strategy = ("strategy=margin", "+strategy._target_=stubborn.Stubborn")
    launcher = (
        "hydra/launcher=slurm",
        "hydra.launcher.gpus_per_node=null",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )
    options = ("trainer=ddp_cpu", "loop.n_rounds=1", "loop.epochs=1")
    process = subprocess.Popen(
        [sys.executable, "train.py", "-m", *launcher, *lives.TINY, *strategy, *options],
        cwd=lives.ROOT,
        env={
            **cluster.env,
            "OMP_NUM_THREADS": "1",
            "IN_QUERY": str(in_query),
            "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        with no_delay(cluster):
            lives.wait_for(in_query.exists, limit=120)
            (job,) = cluster.jobs("RUNNING")
            cluster.ask("scancel", "--signal=USR2", job)  # as SLURM does before the time limit
            # Within the warning of hydra.launcher.signal_delay_s, though one rank never answers.
            lives.wait_for(lambda: int(cluster.info(job)["Restarts"]) == 1, limit=115)
            text, _ = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == 0, text
    (run_dir,) = (path.parent for path in (tmp_path / "sweep").rglob("ledger.jsonl"))
    assert lives.outcome(run_dir)["summary"]["status"] == "finished"
    ids = [i for _, i in lives.bought(run_dir)]
    assert len(ids) == len(set(ids)) == 31
