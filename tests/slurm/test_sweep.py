"""Sweeps on a real SLURM, requeued, pre-empted and timed out; the results equal those of undisturbed runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import lives
from tests.slurm.cluster import Cluster
from tests.slurm.sweeps import labels, no_delay, resumes, start_sweep

pytestmark = pytest.mark.slurm

QUICK = ("loop.n_rounds=60", "loop.n_query=5")
SLOW = ("loop.n_rounds=220", "loop.n_query=2")


def at_work(sweep: Path, before: dict[Path, int]) -> int:
    """Return how many runs have bought labels since, and have a round behind them to go on from."""
    return sum(n > max(30, before.get(run, 0)) for run, n in labels(sweep).items())


def test_requeue_and_preemption(cluster: Cluster, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    cells = ("strategy=random,margin", "seed=0,1")
    launcher = start_sweep(cluster, sweep, *cells, *QUICK)
    try:
        with no_delay(cluster):
            # Whichever is requeued has something to go on from.
            lives.wait_for(lambda: sum(n > 30 for n in labels(sweep).values()) >= 2, limit=120)
            requeued = cluster.jobs("RUNNING")[0]
            cluster.ask("scontrol", "requeue", requeued)
            lives.wait_for(lambda: int(cluster.info(requeued)["Restarts"]) == 1)
            # Two runs are at work again; a job of the upper partition takes both processors.
            before = labels(sweep)
            lives.wait_for(lambda: len(cluster.jobs("RUNNING")) == 2 and at_work(sweep, before) >= 2, limit=120)
            low = cluster.jobs("RUNNING")
            urgent = cluster.ask(
                "sbatch", "--parsable", "--partition=high", "--ntasks=2", "--output=/dev/null", "--wrap", "sleep 2"
            ).strip()
            lives.wait_for(lambda: cluster.info(urgent)["JobState"] in ("RUNNING", "COMPLETED"), limit=90)
            assert any(int(cluster.info(job)["Restarts"]) >= 1 for job in low), "nobody was pre-empted"
            text = launcher.finish(sweep)
    finally:
        launcher.process.kill()
    assert "4 jobs to SLURM" in text
    runs = sorted(path.parent for path in sweep.rglob("summary.json"))
    assert len(runs) == 4
    assert sum(resumes(run) for run in runs) >= 2
    for run in runs:
        strategy = "margin" if "strategy=margin" in run.name else "random"
        seed = "1" if "seed=1" in run.name else "0"
        calm = tmp_path / f"calm-{strategy}-{seed}"
        assert (
            lives.live(
                lives.config(f"strategy={strategy}", f"seed={seed}", *QUICK), calm, threads=lives.threads_of(run)
            )
            == 0
        )
        assert lives.outcome(run) == lives.outcome(calm), run.name
    # The same sweep again has nothing to do.
    assert "0 jobs to SLURM, 4 finished already" in start_sweep(cluster, sweep, *cells, *QUICK).finish(sweep)


def test_time_limit_too_short(cluster: Cluster, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    limits = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=25")
    # SLURM lists jobs of the test before for some minutes after their end.
    earlier = set(cluster.jobs("all"))
    launcher = start_sweep(cluster, sweep, "strategy=margin", *SLOW, *limits)
    try:
        with no_delay(cluster):
            lives.wait_for(lambda: len(set(cluster.jobs("all")) - earlier) == 1, limit=120)
            (job,) = set(cluster.jobs("all")) - earlier
            lives.wait_for(lambda: int(cluster.info(job)["Restarts"]) >= 1, limit=180)
            # It would get there in steps of the short limit too; one is enough to see.
            cluster.ask("scontrol", "update", f"JobId={job}", "TimeLimit=60")
            launcher.finish(sweep)
    finally:
        launcher.process.kill()
    (run,) = (path.parent for path in sweep.rglob("summary.json"))
    assert resumes(run) >= 1, "the run was over before its time limit"
    calm, threads = tmp_path / "calm", lives.threads_of(run)
    assert lives.live(lives.config("strategy=margin", *SLOW), calm, limit=420, threads=threads) == 0
    assert lives.outcome(run) == lives.outcome(calm)
