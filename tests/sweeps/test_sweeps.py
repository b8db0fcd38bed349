"""Sweeps at the real command line: what they return, how they fail, where they write, and how they are stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from autoal.commands.main import main
from autoal.commands.status import states
from autoal.rundir.locks import is_locked
from tests.faults import lives

pytestmark = pytest.mark.slow

POOL = ("hydra/launcher=local_pool", "hydra.launcher.processes=2")
LONG = ("loop.n_rounds=60", "loop.n_query=5")
SHORT = ("loop.n_rounds=1", "logger=[]")

Sweep = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def sweep_of(tmp_path: Path) -> Iterator[Sweep]:
    """Start sweeps into ``tmp_path/sweep``; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "train.py", "-m", f"hydra.sweep.dir={tmp_path / 'sweep'}", *lives.TINY, *words]
        pipe = subprocess.PIPE
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        started.append(
            subprocess.Popen(command, cwd=lives.ROOT, env=env, text=True, stdout=pipe, stderr=subprocess.STDOUT)
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.wait(120)


def _end(process: subprocess.Popen[str], status: int, limit: float = 300) -> str:
    text, _ = process.communicate(timeout=limit)
    assert process.returncode == status, text
    return text


def _summary(run: Path) -> dict[str, object]:
    said: dict[str, object] = json.loads((run / "summary.json").read_text())
    return said


def test_a_restarted_sweep_returns_what_the_first_returned(tmp_path: Path, sweep_of: Sweep) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    words = (
        *("hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1"),
        *("hydra.sweeper.direction=maximize", "hydra.sweeper.sampler.seed=1"),
        *("optimizer.lr=choice(0.0001,0.01,0.1)", "loop.n_val=50", "strategy=random"),
    )
    best = tmp_path / "sweep" / "optimization_results.yaml"
    values = []
    for launcher in (POOL, POOL, ("hydra/launcher=basic",)):
        _end(sweep_of(*launcher, *words, *SHORT), 0)
        values.append(yaml.safe_load(best.read_text()))
        best.unlink()
    assert values[0] == values[1] == values[2]
    runs = [path.parent for path in (tmp_path / "sweep").glob("*/summary.json")]
    assert values[0]["best_value"] == max(float(str(_summary(run)["val_acc"])) for run in runs)
    assert all(_summary(run)["val_acc"] != _summary(run)["final_acc"] for run in runs)


@pytest.mark.parametrize("launcher", [("hydra/launcher=basic",), POOL], ids=["basic", "local_pool"])
def test_a_cell_that_cannot_run_is_seen_to_have_failed(
    tmp_path: Path, sweep_of: Sweep, launcher: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    cells = ("strategy=bald,random", "backbone.dropout=0", "seed=3")
    text = _end(sweep_of(*launcher, *cells, *SHORT), 1)
    run = tmp_path / "sweep" / "seed=3,strategy=bald"
    (failed,) = [line for line in text.splitlines() if line.startswith("failed: ")]
    assert failed.startswith("failed: seed=3 strategy=bald: ")
    assert "set backbone.dropout" in failed
    log = Path(failed.rpartition("(log: ")[2].rstrip(")"))
    assert log.parent == run
    assert "set backbone.dropout" in log.read_text()
    # It is told when it happens, not at the end, and the other cell runs.
    assert text.index("failed: seed=3") < text.index("1 finished, 1 failed; an overview gives: autoal status")
    assert "finished: seed=3 strategy=random" in text
    summary = _summary(run)
    assert (summary["status"], summary["n_labeled"], summary["strategy"]) == ("failed", 0, "bald")
    assert main(["status", str(run.parent), "--only", "failed"]) == 2
    assert "set backbone.dropout" in capsys.readouterr().out
    # The record is in nobody's way: with what was missing, the same directory is used.
    again = ("strategy=bald", "backbone.dropout=0.2", "seed=3")
    _end(sweep_of(*launcher, *again, *SHORT), 0)
    assert _summary(run)["status"] == "finished"


def test_names_of_many_overrides_and_of_values_with_slashes(tmp_path: Path, sweep_of: Sweep) -> None:
    many = [
        *("strategy.candidates=paper1,paper3", "+experiment=smoke/a,smoke/b", "loop.eval_batch_size=100,1000"),
        *("loop.init=random", "optimizer.lr=0.001", "backbone.dropout=0.125", "loop.n_val=0", "seed=0"),
    ]
    configs = tmp_path / "configs" / "experiment" / "smoke"
    configs.mkdir(parents=True)
    for name in ("a", "b"):
        (configs / f"{name}.yaml").write_text("# @package _global_\nloop: {warm_start: false}\n")
    text = _end(sweep_of("--config-dir", str(tmp_path / "configs"), "strategy=autoal_equal", *many, *SHORT), 0)
    runs = sorted(path.parent for path in (tmp_path / "sweep").rglob("summary.json"))
    assert len(runs) == 8, text
    for run in runs:
        assert run.parent == tmp_path / "sweep"
        assert len(run.name) <= 100
        assert "dropout" not in run.name, "what is the same for all is in no name"
        overrides = yaml.safe_load((run / ".hydra" / "overrides.yaml").read_text())
        assert "backbone.dropout=0.125" in overrides, "the rest is in a file"
    assert {cell.state for cell in states(tmp_path / "sweep")} == {"finished"}


def test_options_of_one_strategy_in_a_sweep_over_several(tmp_path: Path, sweep_of: Sweep) -> None:
    words = ("strategy=random,autoal_equal", "strategy.autoal_equal.window=5,20", "seed=0,1")
    text = _end(sweep_of(*words, *SHORT), 0)
    sweep = tmp_path / "sweep"
    assert "6 runs" in text, "random has no such option and is run once per seed"
    assert {run.parent.name for run in sweep.glob("*/summary.json")} == {
        *(f"seed={seed},strategy=random" for seed in (0, 1)),
        *(f"seed={s},window={w},strategy=autoal_equal" for s in (0, 1) for w in (5, 20)),
    }
    assert [cell.state for cell in states(sweep)] == ["finished"] * 6
    assert "0 runs, one after the other, 6 finished already" in _end(sweep_of(*words, *SHORT), 0)
    out = tmp_path / "report"
    assert main(["report", str(sweep), "--out", str(out)]) == 0
    page = (out / "index.html").read_text() if (out / "index.html").exists() else ""
    tables = page + "".join(path.read_text() for path in out.rglob("*.csv"))
    assert "window=5" in tables
    assert "window=20" in tables


def _cells_at_work(sweep: Path) -> list[Path]:
    return [path.parent for path in sweep.glob("*/.lock") if is_locked(path)]


def test_a_killed_pool_leaves_no_run_behind(tmp_path: Path, sweep_of: Sweep) -> None:
    sweep = tmp_path / "sweep"
    pool = sweep_of(*POOL, "strategy=random,margin", "seed=0", *LONG)
    lives.wait_for(lambda: len(list(sweep.rglob("last.ckpt"))) == 2, limit=240)
    pool.kill()
    pool.wait()
    lives.wait_for(lambda: _cells_at_work(sweep) == [], limit=60)
    runs = [path.parent for path in sweep.glob("*/summary.json")]
    assert {str(_summary(run)["status"]) for run in runs} == {"interrupted"}, "they saved"
    assert "2 finished" not in _end(sweep_of(*POOL, "strategy=random,margin", "seed=0", *LONG), 0)
    for run in runs:
        assert _summary(run)["status"] == "finished"
        ids = [number for _, number in lives.bought(run)]
        assert len(ids) == len(set(ids)) == 21 + 60 * 5


def test_what_ctrl_c_saves_has_not_failed(tmp_path: Path, sweep_of: Sweep) -> None:
    sweep = tmp_path / "sweep"
    pool = sweep_of(*POOL, "strategy=random,margin", "seed=0", *LONG)
    lives.wait_for(lambda: len(list(sweep.rglob("last.ckpt"))) == 2, limit=240)
    pool.send_signal(signal.SIGINT)
    text = _end(pool, 130)
    assert "failed: " not in text
    assert text.count("stopped: seed=0 strategy=") == 2
    assert {cell.state for cell in states(sweep)} == {"stopped"}


def test_a_run_that_hangs_ends_at_its_time_limit(tmp_path: Path, sweep_of: Sweep) -> None:
    sweep = tmp_path / "sweep"
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=20")
    pool = sweep_of(*POOL, *limit, "strategy=random,margin", "seed=0", "loop.n_rounds=220", "loop.n_query=5")
    run = sweep / "seed=0,strategy=margin"
    lives.wait_for(lambda: (run / "checkpoints" / "last.ckpt").exists(), limit=240)
    (hung,) = _processes(pool.pid, str(run))
    os.kill(hung, signal.SIGSTOP)
    text = _end(pool, 1)
    assert "failed: seed=0 strategy=margin: its time limit of 1 min was over, and it did not stop" in text
    assert not _alive(hung)
    assert ("finished: seed=0 strategy=random" in text) != ("stopped: seed=0 strategy=random" in text)


def test_several_processes_for_each_run_of_a_pool(tmp_path: Path, sweep_of: Sweep) -> None:
    ddp = ("trainer=ddp_cpu", "trainer.devices=2", "hydra.launcher.processes=1", "backbone.dropout=0")
    text = _end(sweep_of("hydra/launcher=local_pool", "strategy=random,bald", *SHORT, *ddp), 1)
    sweep = tmp_path / "sweep"
    assert _summary(sweep / "strategy=random")["world_size"] == 2
    assert "failed: strategy=bald: " in text
    assert "set backbone.dropout" in str(_summary(sweep / "strategy=bald")["message"])


def _processes(parent: int, run: str) -> list[int]:
    """Return the children of a pool that have a run's log open."""
    found = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if Path(f"/proc/{child}/fd/1").readlink().parent == Path(run):
            found.append(int(child))
    return found


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
