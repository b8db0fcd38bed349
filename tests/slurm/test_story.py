"""One sweep through everything that happens on a cluster; every view of it tells the same story afterwards."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from autoal.analysis.runs import Problem, Run, find_runs, read_run
from autoal.commands.main import main
from autoal.commands.status import states
from tests.faults import lives
from tests.slurm.cluster import Cluster
from tests.slurm.sweeps import Launcher, labels, no_delay, resumes, start_sweep

pytestmark = pytest.mark.slurm

# bald without dropout is the one cell that cannot run.
CELLS = ("strategy=random,margin,bald", "backbone.dropout=0,0.1,0.2,0.3")
SIZE = ("loop.n_rounds=16", "loop.n_query=5")
IMPOSSIBLE = "dropout=0,strategy=bald"


class Disturber:
    """Does to running jobs what happens to them on a cluster, and notes to which.

    Args:
        cluster: The cluster.
        sweep: The sweep's directory.
    """

    def __init__(self, cluster: Cluster, sweep: Path) -> None:
        self._cluster = cluster
        self._sweep = sweep
        self.disturbed: set[str] = set()

    def _name(self, job: str) -> str:
        return self._cluster.info(job)["JobName"].removeprefix("autoal-")

    def at_work(self) -> dict[str, str]:
        """Return the jobs that are buying labels and have some way to go: name of the cell -> job."""
        bought = {run.name: n for run, n in labels(self._sweep).items()}
        running = {self._name(job): job for job in self._cluster.jobs("RUNNING")}
        return {n: job for n, job in running.items() if 25 < bought.get(n, 0) < 70 and n not in self.disturbed}

    def one(self) -> tuple[str, str]:
        """Wait for a job at work and return the name of its cell and its number."""
        lives.wait_for(lambda: bool(self.at_work()), limit=240)
        return next(iter(self.at_work().items()))

    def requeue(self) -> str:
        """Requeue a job at work; returns its cell."""
        name, job = self.one()
        self.disturbed.add(name)
        self._cluster.ask("scontrol", "requeue", job)
        return name

    def cancel(self) -> str:
        """Cancel a job at work; returns its cell."""
        name, job = self.one()
        self.disturbed.add(name)
        self._cluster.ask("scancel", job)
        return name

    def preempt(self) -> str:
        """Let a job of the upper partition take both processors while a job is at work; returns its cell."""
        name, job = self.one()
        self.disturbed.add(name)
        urgent = self._cluster.ask(
            "sbatch", "--parsable", "--partition=high", "--ntasks=2", "--output=/dev/null", "--wrap", "sleep 1"
        ).strip()
        lives.wait_for(lambda: self._cluster.info(urgent)["JobState"] in ("RUNNING", "COMPLETED"), limit=90)
        assert int(self._cluster.info(job)["Restarts"]) == 1, f"{name} was not pre-empted"
        return name


def test_all_views_of_a_disturbed_sweep_agree(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "sweep"
    earlier = {name: len(ends) for name, ends in cluster.accounts().items()}
    first = start_sweep(cluster, sweep, *CELLS, *SIZE)
    disturber = Disturber(cluster, sweep)
    second: Launcher | None = None
    try:
        with no_delay(cluster):
            disturbed = {"requeued": disturber.requeue(), "cancelled": disturber.cancel()}
            disturbed["pre-empted"] = disturber.preempt()
            lives.wait_for(lambda: "cancelled: " in first.said(), limit=120)
            first.process.send_signal(signal.SIGINT)
            before = first.finish(sweep, status=130)
            assert cluster.jobs("RUNNING,PENDING"), "the jobs ended with their launcher"
            second = start_sweep(cluster, sweep, *CELLS, *SIZE)
            after = second.finish(sweep, limit=900, status=1)
    finally:
        first.process.kill()
        if second is not None:
            second.process.kill()

    assert "12 jobs to SLURM" in before
    assert "the jobs go on without this command" in before
    assert " in the queue already" in after
    # Each is told when it happens, with the cell, the reason and the log.
    said = before + after
    (cancelled,) = [line for line in said.splitlines() if line.startswith("cancelled: ")]
    assert _words(disturbed["cancelled"]) <= set(cancelled.replace(":", " ").split())
    failed = [line for line in said.splitlines() if line.startswith("failed: ")]
    assert failed
    for line in failed:
        assert line.startswith("failed: backbone.dropout=0 strategy=bald: ")
        assert "set backbone.dropout" in line
        log = Path(line.rpartition("log: ")[2].rstrip(")"))
        assert "set backbone.dropout" in log.read_text()

    assert log.parent.samefile(sweep / ".submitit" / IMPOSSIBLE), "the log is found by the cell's name too"

    # The run directories and autoal status.
    runs = {path.parent.name: path.parent for path in sweep.glob("*/summary.json")}
    assert len(runs) == 12
    assert {cell.name for cell in states(sweep) if cell.state == "failed"} == {IMPOSSIBLE}
    assert main(["status", str(sweep)]) == 2
    assert capsys.readouterr().out.splitlines()[-1] == "11 finished, 1 failed"
    assert main(["status", str(sweep), "--only", "failed"]) == 2
    assert "set backbone.dropout" in capsys.readouterr().out

    # SLURM's own account, once the last job has left: the last end of each job, and the ends before it.
    lives.wait_for(lambda: not cluster.jobs("RUNNING,PENDING,COMPLETING"), limit=120)
    ends = {
        name.removeprefix("autoal-"): found[earlier.get(name, 0) :] for name, found in cluster.accounts().items()
    }
    for name in runs:
        assert ends[name][-1] == (("FAILED", "1:0") if name == IMPOSSIBLE else ("COMPLETED", "0:0")), name
    assert "CANCELLED" in [state for state, _ in ends[disturbed["cancelled"]]]

    # The ledgers: nothing twice, all of it, and the same as in a run that nobody disturbed.
    for name, run in runs.items():
        if name == IMPOSSIBLE:
            assert not (run / "ledger.jsonl").exists()
            continue
        ids = [number for _, number in lives.bought(run)]
        assert len(ids) == len(set(ids)) == 21 + 16 * 5, name
    for name in disturbed.values():
        assert resumes(runs[name]) >= 1, f"{name} was over before it was disturbed"
        dropout, strategy = name.split(",")
        calm, threads = tmp_path / "calm" / name, lives.threads_of(runs[name])
        assert (
            lives.live(lives.config(f"backbone.{dropout}", strategy, *SIZE), calm, limit=420, threads=threads) == 0
        )
        assert lives.outcome(runs[name]) == lives.outcome(calm), name

    # The report.
    read = [read_run(path) for path in find_runs([sweep])]
    found = [run for run in read if isinstance(run, Run)]
    problems = [problem for problem in read if isinstance(problem, Problem)]
    assert {run.path.name for run in found} == set(runs) - {IMPOSSIBLE}
    assert [(problem.kind, Path(problem.where).name) for problem in problems] == [("failed", IMPOSSIBLE)]
    for run in found:
        assert run.n_labeled[-1] == len(lives.bought(run.path))


def _words(name: str) -> set[str]:
    """The overrides in a directory's name, as they stand in a launcher's line."""
    return {f"backbone.{word}" if word.startswith("dropout") else word for word in name.split(",")}
